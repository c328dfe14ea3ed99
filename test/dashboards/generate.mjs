// Writes every dashboard as a TypeScript literal of type Dashboard, which tsc then checks.
//
// TypeScript could import the JSON, but would widen "stat" to any string, and would accept
// properties that the schema does not know. For a literal it does neither.
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';

const dashboards = new URL('../../deploy/grafana/dashboards/', import.meta.url);
const generated = new URL('generated/', import.meta.url);

const files = readdirSync(dashboards).filter((name) => name.endsWith('.json'));
if (files.length === 0) {
  throw new Error(`no dashboards in ${dashboards.pathname}`);
}
rmSync(generated, { recursive: true, force: true });
mkdirSync(generated);
for (const file of files) {
  const json = readFileSync(new URL(file, dashboards), 'utf8').trimEnd();
  JSON.parse(json); // fails for comments, which TypeScript would accept
  // The import is on the JSON's first line, so that tsc reports the line numbers of the JSON.
  const source = `import type { Dashboard } from '../dashboard'; export default ${json} satisfies Dashboard;\n`;
  writeFileSync(new URL(file.replace(/json$/, 'ts'), generated), source);
}
