/**
 * Whether `text` is what the terminal event says it is; null if this page cannot tell (no secure context).
 * An end learned from the row has no checksum: then there is nothing to compare.
 */
export async function matchesChecksum(text, { bytes, sha256 }, subtle = globalThis.crypto?.subtle) {
  if (bytes === undefined) return null;
  const encoded = new TextEncoder().encode(text);
  if (encoded.length !== bytes) return false;
  if (!sha256 || !subtle) return null;
  const digest = new Uint8Array(await subtle.digest("SHA-256", encoded));
  return [...digest].map((byte) => byte.toString(16).padStart(2, "0")).join("") === sha256;
}
