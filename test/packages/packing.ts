// Packing and installing packages of the checkout, as their users get them.
import { execFile } from 'node:child_process';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { z } from 'zod';
import { checkout } from '../support/paths.js';

const run = promisify(execFile);
const report = z.array(z.object({ filename: z.string(), files: z.array(z.object({ path: z.string() })) }));

/** A package as `npm pack` makes it. */
export interface Packed {
  readonly tarball: string;
  /** The paths of its files, without the folder `package`. */
  readonly files: readonly string[];
}

/**
 * Packs a package.
 * @param folder where the tarball is written
 * @param options of npm, such as the workspace
 */
export async function pack(folder: string, options: readonly string[]): Promise<Packed> {
  mkdirSync(folder, { recursive: true });
  const { stdout } = await run('npm', ['pack', '--json', '--pack-destination', folder, ...options], {
    cwd: checkout,
    maxBuffer: 16 * 1024 * 1024,
  });
  const [packed] = report.parse(JSON.parse(stdout.slice(stdout.indexOf('['))));
  return {
    tarball: join(folder, packed!.filename.replace('@', '').replace('/', '-')),
    files: packed!.files.map(({ path }) => path).sort(),
  };
}

/** Files that must not be in a package: sources beside types, tests, source maps, native code. */
export function outOfPlace(files: readonly string[]): readonly string[] {
  return files.filter(
    (path) =>
      (/\.[cm]?tsx?$/.test(path) && !/\.d\.[cm]?ts$/.test(path)) ||
      /(^|\/)tests?[./]|\.map$|\.node$/.test(path),
  );
}

/** Installs a tarball in a new project, without a working compiler. */
export async function install(project: string, tarball: string): Promise<void> {
  mkdirSync(project, { recursive: true });
  writeFileSync(join(project, 'package.json'), '{ "private": true }\n');
  await run('npm', ['install', '--prefer-offline', '--no-audit', '--no-fund', tarball], {
    cwd: project,
    env: { ...process.env, CC: '/bin/false', CXX: '/bin/false' },
  });
}

/** Every file below a folder. */
export function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}
