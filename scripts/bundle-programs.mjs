// Bundles each program of the daemon's package into one file, which replaces it in dist/. The daemon, the command line and the
// admin programs load hundreds of modules, and finding and reading them takes most of their start-up time
// (docs/decisions/code/bundled-programs.md). Without bundling a program works the same, but starts more slowly.
// Usage: bundle-programs.mjs, after tsc.
import { readFileSync, rmSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { programs } from '../dist/client/cli/programs.js';

const dist = fileURLToPath(new URL('../dist/', import.meta.url));
/** Packages that are not bundled, because they find their compiled parts beside their own files. */
const native = ['classic-level', 'koffi', 'pkcs11js'];
/** Defines `require` for bundled CommonJS packages, which require Node's own modules. */
const banner = `import { createRequire as createRequireOfBundle } from 'node:module';
const require = createRequireOfBundle(import.meta.url);`;

/** Keeps `import.meta.url` of each module, so that modules find files and packages relative to their original place. */
const ownUrls = (folder) => ({
  name: 'own-urls',
  setup: ({ onLoad }) =>
    onLoad({ filter: /\/dist\/.*\.js$/ }, ({ path }) => {
      const text = readFileSync(path, 'utf8');
      const url = `new URL(${JSON.stringify(relative(folder, path))}, import.meta.url).href`;
      return text.includes('import.meta.url')
        ? { contents: text.replaceAll('import.meta.url', url), loader: 'js', resolveDir: dirname(path) }
        : undefined;
    }),
});

/** The programs that were compiled since they were last bundled. */
const files = [
  'daemon/main',
  'client/cli/main',
  ...programs.map(([, file]) => `daemon/admin/${file}`),
].filter((file) => !readFileSync(join(dist, `${file}.js`), 'utf8').includes(banner));
for (const folder of new Set(files.map(dirname)))
  await build({
    entryPoints: files.filter((file) => dirname(file) === folder).map((file) => join(dist, `${file}.js`)),
    outdir: join(dist, folder),
    allowOverwrite: true,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    sourcemap: 'linked',
    sourcesContent: false,
    external: native,
    banner: { js: banner },
    plugins: [ownUrls(join(dist, folder))],
    logLevel: 'warning',
  });
// A compiler that writes only what has changed (TypeScript 7) would leave bundles of old modules in place.
rmSync(join(dist, '.tsbuildinfo'), { force: true });
