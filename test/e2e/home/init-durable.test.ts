// What init writes is on stable storage when it ends: checked with strace, which records all its system calls.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import t from 'tap';
import { TestDaemon } from '../../support/daemon.js';
import { checkout } from '../../support/paths.js';
import { absent } from '../../support/programs.js';

/** Files that are not needed after a crash: locks, and LevelDB's text log. */
const isTransient = (path: string) => /(^|\/)(LOCK|LOG(\.old)?|[^/]*\.lock)$/.test(path);

/** Replays a trace. @returns files whose content, and folders whose names, were written after their last sync */
function unsynced(trace: string): { contents: Set<string>; names: Set<string> } {
  const [contents, names] = [new Set<string>(), new Set<string>()];
  const rules: [RegExp, (paths: string[]) => void][] = [
    [/^f(?:data)?sync\(\d+<([^>]+)>/, ([path]) => (contents.delete(path!), names.delete(path!))],
    [/^p?write(?:64|v)?\(\d+<(\/[^>]+)>/, ([path]) => contents.add(path!)],
    [/^ftruncate\(\d+<(\/[^>]+)>/, ([path]) => contents.add(path!)],
    [/^mkdir\("([^"]+)"[^)]*\) = 0/, ([path]) => (names.add(path!), names.add(dirname(path!)))],
    [/^openat\(.*O_CREAT.*\) = \d+<(\/[^>]+)>/, ([path]) => names.add(dirname(path!))],
    [
      /^rename(?:at2?)?\((?:AT_FDCWD[^,]*, )?"([^"]+)", (?:AT_FDCWD[^,]*, )?"([^"]+)"/,
      ([from, to]) => {
        names.add(dirname(from!)).add(dirname(to!));
        contents.delete(to!);
        if (contents.delete(from!)) contents.add(to!);
      },
    ],
  ];
  for (const line of trace.split('\n')) {
    const call = line.replace(/^\d+ +/, '');
    for (const [pattern, apply] of rules) {
      const found = pattern.exec(call);
      if (found) apply(found.slice(1));
    }
  }
  return { contents, names };
}

void t.test(
  'every file and folder that init leaves was synced after it was last written',
  { skip: absent('strace', ['-V'], 'strace', 'strace') },
  (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'kh-durable-'));
    t.teardown(() => rmSync(folder, { recursive: true, force: true }));
    const { home, env } = TestDaemon.at(join(folder, 'above/home'));
    const trace = join(folder, 'trace');
    const calls = 'fsync,fdatasync,write,writev,pwrite64,ftruncate,mkdir,openat,rename,renameat,renameat2';
    const init = [process.execPath, join(checkout, 'dist/daemon/admin/init.js'), '--make-token'];
    execFileSync('strace', ['-f', '-y', '-qq', '-s', '0', '-o', trace, '-e', `trace=${calls}`, ...init], {
      env,
    });
    const { contents, names } = unsynced(readFileSync(trace, 'utf8'));
    const left = readdirSync(home, { recursive: true, withFileTypes: true });
    const files = left.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
    const folders = left
      .filter((entry) => entry.isDirectory())
      .map((entry) => join(entry.parentPath, entry.name));
    t.ok(files.length > 15);
    t.strictSame(
      files.filter((path) => contents.has(path) && !isTransient(path)),
      [],
    );
    t.strictSame(
      [folder, dirname(home), home, ...folders].filter((path) => names.has(path)),
      [],
    );
    t.end();
  },
);
