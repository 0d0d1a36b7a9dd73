// Builds client/dist, the contents of the package @keyhold/client, from dist/: the library and the command line, each with
// the parts of the libraries that it uses, the types, and the manual pages. npm runs it before packing
// (docs/decisions/code/client-package.md).
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const checkout = join(dirname(fileURLToPath(import.meta.url)), '..');
const compiled = join(checkout, 'dist');
const output = join(checkout, 'client/dist');

if (!existsSync(join(compiled, 'client/index.js')))
  execFileSync('npm', ['run', '--silent', 'build'], { cwd: checkout, stdio: 'inherit' });
rmSync(output, { recursive: true, force: true });
mkdirSync(output, { recursive: true });

const common = {
  bundle: true,
  platform: 'node',
  target: 'node20.12',
  external: ['ws'],
  // Names are kept, so that stack traces and the code itself stay readable.
  minifyWhitespace: true,
  minifySyntax: true,
  legalComments: 'none',
  metafile: true,
  logLevel: 'warning',
};

/** Keeps the named exports of CommonJS libraries that are loaded on demand, which esbuild leaves out of their chunks. */
const namedExports = {
  name: 'named-exports',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^[^./]/ }, ({ path, kind, resolveDir }) =>
      kind === 'dynamic-import' ? { path, namespace: 'named-exports', pluginData: resolveDir } : undefined,
    );
    onLoad({ filter: /.*/, namespace: 'named-exports' }, async ({ path, pluginData: resolveDir }) => {
      const names = Object.keys(await import(path)).filter((name) => /^[\w$]+$/.test(name));
      return { contents: `export { ${names.join(', ')} } from '${path}';`, resolveDir };
    });
  },
};

// One implementation for `import` and `require`: with two, each error class would exist twice, and `instanceof` would fail.
const library = await build({
  ...common,
  entryPoints: [join(compiled, 'client/index.js')],
  format: 'cjs',
  outfile: join(output, 'index.cjs'),
});
const names = Object.keys(createRequire(import.meta.url)(join(output, 'index.cjs')));
writeFileSync(join(output, 'index.js'), `export { ${names.join(', ')} } from './index.cjs';\n`);
writeFileSync(join(output, 'index.d.ts'), "export * from './types/client/index.js';\n");
copyTypes('client/index.d.ts');
// These are the types of index.cjs, which ES modules can import too.
writeFileSync(join(output, 'types/package.json'), '{ "type": "commonjs" }\n');

const commandLine = await build({
  ...common,
  // In dist/ it may be bundled already, which leaves nothing to split.
  entryPoints: [join(checkout, 'client/cli/main.ts')],
  format: 'esm',
  splitting: true,
  plugins: [namedExports],
  outdir: join(output, 'cli'),
  // For libraries that are CommonJS.
  banner: { js: "import { createRequire as $cr } from 'node:module';const require = $cr(import.meta.url);" },
});

execFileSync(
  process.execPath,
  [join(checkout, 'scripts/build-man-pages.mjs'), join(output, 'man'), '--without-programs'],
  { stdio: 'inherit' },
);
listManPages();

writeFileSync(
  join(output, 'THIRD-PARTY-LICENSES.txt'),
  licences([...Object.keys(library.metafile.inputs), ...Object.keys(commandLine.metafile.inputs)]),
);

/** Names the manual pages in package.json, because npm installs only those that are named there. */
function listManPages() {
  const path = join(checkout, 'client/package.json');
  const before = readFileSync(path, 'utf8');
  const man = readdirSync(join(output, 'man')).map((file) => `./dist/man/${file}`);
  const after = `${JSON.stringify({ ...JSON.parse(before), man }, null, 2)}\n`;
  if (after !== before) writeFileSync(path, after);
}

/** Copies a type declaration file and all files that it imports. */
function copyTypes(entry) {
  const wanted = [entry];
  for (const path of wanted) {
    const text = readFileSync(join(compiled, path), 'utf8');
    mkdirSync(dirname(join(output, 'types', path)), { recursive: true });
    writeFileSync(join(output, 'types', path), text);
    const code = text.replace(/\/\*.*?\*\//gs, '');
    for (const [, imported, extension] of code.matchAll(/(?:from |import\()["']([^"']+?)(\.js)?["']/g)) {
      if (imported.startsWith('node:')) continue;
      // The packages that are bundled are not installed, and neither are their types.
      if (!imported.startsWith('.') || !extension) throw new Error(`${path} needs the types of ${imported}`);
      const target = relative(compiled, join(compiled, dirname(path), `${imported}.d.ts`));
      if (!wanted.includes(target)) wanted.push(target);
    }
  }
}

/** Returns the name, version and licence of each package that the files come from. */
function licences(files) {
  const folders = new Set(
    files.flatMap((file) => /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+(?=\/)/.exec(file)?.[0] ?? []),
  );
  const texts = [...folders].sort().map((folder) => {
    const path = join(process.cwd(), folder);
    const { name, version, license } = JSON.parse(readFileSync(join(path, 'package.json'), 'utf8'));
    const file = readdirSync(path).find((each) => /^licen[cs]e/i.test(each));
    const text = file ? readFileSync(join(path, file), 'utf8').trim() : '';
    return `${name} ${version} (${license}), https://www.npmjs.com/package/${name}/v/${version}\n\n${text}\n`;
  });
  return `Parts of these packages are in this one:\n\n${texts.join(`\n${'-'.repeat(80)}\n\n`)}`;
}
