// Turns every dashboard into TypeScript that claims to be one, for tsc to check.
//
// TypeScript could import JSON, but would take "stat" there for any string, and
// would let properties pass that the schema does not know. In a literal it does neither.
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
  JSON.parse(json); // or a comment would pass for a dashboard
  // All on the first line: the line numbers of errors are those of the JSON.
  const source = `import type { Dashboard } from '../dashboard'; export default ${json} satisfies Dashboard;\n`;
  writeFileSync(new URL(file.replace(/json$/, 'ts'), generated), source);
}
