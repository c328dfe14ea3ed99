// Writes every dashboard as TypeScript that declares it a Dashboard, for tsc to check.
//
// TypeScript could import the JSON, but would widen "stat" to any string, and would accept
// properties that the schema does not know. In a literal it does neither.
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
  JSON.parse(json); // TypeScript would accept comments, too
  // All on the first line: the line numbers of errors are those of the JSON.
  const source = `import type { Dashboard } from '../dashboard'; export default ${json} satisfies Dashboard;\n`;
  writeFileSync(new URL(file.replace(/json$/, 'ts'), generated), source);
}
