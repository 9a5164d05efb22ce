/** Lets node find the browser's bare specifiers (the page's import map) and treat .js files here as modules. */
import { register } from "node:module";

const hooks = `
const root = ${JSON.stringify(new URL("../../", import.meta.url).href)};
export async function resolve(specifier, context, next) {
  const match = /^(streaming|chat)\\/(.+)$/.exec(specifier);
  const url = match ? new URL(\`\${match[1]}/static/\${match[1]}/js/\${match[2]}\`, root).href : null;
  const resolved = url === null ? await next(specifier, context) : { url, shortCircuit: true };
  const isOurs = resolved.url.startsWith(root) && resolved.url.endsWith(".js");
  return isOurs ? { ...resolved, format: "module" } : resolved;
}`;
register(`data:text/javascript,${encodeURIComponent(hooks)}`);
