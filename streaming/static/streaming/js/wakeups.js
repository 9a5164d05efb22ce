/**
 * The moments at which waiting any longer makes no sense: the page is looked at again, comes back from the
 * back-forward cache, or the machine's network changed.
 */
export function listenForWakeups(socket, { window, document }) {
  const wake = () => {
    if (document.visibilityState === "visible") socket.wake();
  };
  document.addEventListener("visibilitychange", wake);
  window.addEventListener("online", () => socket.wake());
  // A socket on a network that is gone would stay silent until the watchdog; a new one shows the truth at once.
  window.addEventListener("offline", () => socket.reconnect());
  window.addEventListener("pagehide", () => socket.pause());
  window.addEventListener("pageshow", (event) => {
    if (event.persisted) socket.connect();
  });
}
