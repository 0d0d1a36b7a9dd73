// One version everywhere: the packages, the lock file, the programs, the Debian package and the changelog.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { z } from 'zod';
import { version as daemonVersion } from '../../daemon/app/version.js';
import { checkout } from '../support/paths.js';

const read = (path: string) => readFileSync(join(checkout, path), 'utf8');
const versioned = z.object({ version: z.string() });
const versionOf = (path: string) => versioned.parse(JSON.parse(read(path))).version;
const version = versionOf('package.json');
const run = (program: string, ...args: string[]) =>
  execFileSync(join(checkout, program), args, { encoding: 'utf8' });

void t.test('the packages and the lock file', (t) => {
  t.match(version, /^\d+\.\d+\.\d+(-[0-9a-z.]+)?$/);
  t.equal(versionOf('client/package.json'), version);
  const { packages } = z
    .object({ packages: z.record(z.string(), z.object({ version: z.string().optional() })) })
    .parse(JSON.parse(read('package-lock.json')));
  for (const path of ['', 'client'])
    t.equal(packages[path]?.version, version, `package-lock.json: '${path}'`);
  t.end();
});

void t.test('the programs', (t) => {
  t.equal(daemonVersion, version);
  const printed = execFileSync(process.execPath, [join(checkout, 'dist/client/cli/main.js'), 'version'], {
    encoding: 'utf8',
  });
  t.equal(/^keyhold (\S+) /.exec(printed)?.[1], version);
  t.end();
});

void t.test('the newest heading of the changelog', (t) => {
  const headings = [...read('CHANGELOG.md').matchAll(/^## (.*)$/gm)].map(([, heading]) => heading!);
  const released = headings.filter((heading) => heading !== '[Unreleased]');
  for (const heading of released) t.match(heading, /^\[\d+\.\d+\.\d+(-[0-9a-z.]+)?\] - \d{4}-\d\d-\d\d$/);
  t.equal(/^\[(.*)\]/.exec(released[0] ?? '')?.[1], version);
  t.end();
});

void t.test('the Debian package', (t) => {
  t.match(run('scripts/deb/documents', 'control', 'amd64', '1').split('\n'), [
    'Package: keyhold',
    `Version: ${version}`,
  ]);
  const changelog = run('scripts/deb/documents', 'changelog');
  t.equal(changelog.split('\n')[0], `keyhold (${version}) stable; urgency=medium`);
  const date = / {2}(\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d \+0000)\n$/.exec(changelog)?.[1];
  t.ok(
    read('CHANGELOG.md').includes(`## [${version}] - ${new Date(date ?? '').toISOString().slice(0, 10)}\n`),
  );
  t.end();
});
