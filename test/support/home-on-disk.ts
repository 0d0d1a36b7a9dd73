// Homes with one folder on a separate file system.
import { cpSync, mkdirSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import type { Test } from 'tap';
import type { Client } from '../../client/index.js';
import type { Disk } from '../audit/disks.js';
import { TestDaemon } from './daemon.js';

/** Creates a home with one of its folders on a disk, without starting a daemon; both are removed at the end of the test. */
export async function homeOn<D extends Disk>(
  t: Test,
  folder: 'audit' | 'metadata',
  disk: D,
): Promise<{ daemon: TestDaemon; disk: D }> {
  const daemon = await TestDaemon.initialise();
  t.teardown(async () => {
    await daemon.remove();
    disk.remove();
  });
  const path = join(daemon.home, folder);
  mkdirSync(path, { recursive: true });
  cpSync(path, disk.directory, { recursive: true, force: true });
  rmSync(path, { recursive: true, force: true });
  symlinkSync(disk.directory, path);
  return { daemon, disk };
}

/** Names of a key's aliases. */
export async function aliasesOf(client: Client, keyId: string): Promise<string[]> {
  const { aliases = [] } = await client.listAliases({ keyId, limit: 100 });
  return aliases.map(({ aliasName }) => aliasName);
}
