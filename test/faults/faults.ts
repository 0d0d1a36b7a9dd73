// Builds the module of faults.c and tells it what to do, by the file that it maps.
import { execFileSync } from 'node:child_process';
import {
  closeSync,
  existsSync,
  openSync,
  readSync,
  renameSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { checkout } from '../support/paths.js';

/** Numbers as in `enum action`. */
const actions = {
  none: 0,
  count: 1,
  delay: 2,
  fail: 3,
  lose: 4,
  hang: 5,
  crash: 6,
  logout: 7,
  closeSessions: 8,
} as const;

/**
 * What happens at a call. `count`: nothing. `delay`: it waits. `fail`: an error instead of the call. `lose`: the call is done, and an error returned.
 * `hang`: it waits until the rule is cleared. `crash`: SIGSEGV. `logout`, `closeSessions`: that, and then the call.
 */
export type Action = Exclude<keyof typeof actions, 'none'>;

export interface Harm {
  /** Milliseconds of `delay`; the CK_RV of `fail` and `lose`. */
  readonly argument?: number;
  /** Calls that go on unharmed before; 0 if not given. */
  readonly after?: number;
  /** Calls that are harmed, over all processes; all if not given. */
  readonly times?: number;
}

/** As struct control and struct rule. */
const rulesAt = 4 * 4 + 30 * 4;
const ruleCount = 16;
const ruleSize = 64;
const at = { action: 32, argument: 36, after: 40, times: 44, seen: 48, fired: 52 } as const;
const everyTime = 0xffffffff;

/** What happens at calls, until it is cleared. */
export class Rule {
  #fired: number | undefined;

  /**
   * @param read tells how many calls were harmed so far
   * @param end takes the rule out of the file
   */
  constructor(
    private readonly read: () => number,
    private readonly end: (rule: Rule) => void,
  ) {}

  /** Calls that it harmed. */
  get fired(): number {
    return this.#fired ?? this.read();
  }

  clear(): void {
    if (this.#fired !== undefined) return;
    this.end(this);
    this.#fired = this.read();
  }
}

/** The faults of one control file. */
export class Faults {
  readonly #file: number;
  readonly #free = Array.from({ length: ruleCount }, (_, index) => index);
  readonly #rules = new Set<Rule>();
  #harmed = 0;

  /** @param path of the control file, which is made */
  constructor(readonly path: string) {
    writeFileSync(path, Buffer.alloc(rulesAt + ruleCount * ruleSize));
    this.#file = openSync(path, 'r+');
  }

  /** Environment of processes that load the module. @param module path of the real one */
  env(module: string): { FAULTS_MODULE: string; FAULTS_CONTROL: string } {
    return { FAULTS_MODULE: module, FAULTS_CONTROL: this.path };
  }

  /**
   * Adds a rule; there are 16 at most.
   * @param name of a PKCS#11 function; `*` for each one
   */
  add(name: string, action: Action, { argument = 0, after = 0, times = everyTime }: Harm = {}): Rule {
    const index = this.#free.shift();
    if (index === undefined) throw new Error(`more than ${ruleCount} rules`);
    const start = rulesAt + index * ruleSize;
    const bytes = Buffer.alloc(ruleSize);
    bytes.write(name, 0, at.action, 'latin1');
    bytes.writeUInt32LE(argument, at.argument);
    bytes.writeUInt32LE(after, at.after);
    bytes.writeUInt32LE(times, at.times);
    writeSync(this.#file, bytes, 0, ruleSize, start);
    // It counts from here on.
    this.#write(start + at.action, actions[action]);
    const rule = new Rule(
      () => this.#read(start + at.fired),
      (ended) => {
        this.#write(start + at.action, actions.none);
        this.#harmed += this.#read(start + at.fired);
        this.#rules.delete(ended);
        this.#free.push(index);
      },
    );
    this.#rules.add(rule);
    return rule;
  }

  /** Calls that were harmed by rules that are cleared. */
  get harmed(): number {
    return this.#harmed;
  }

  /** Ends all faults. */
  clear(): void {
    for (const rule of this.#rules) rule.clear();
  }

  /** Closes all sessions of all processes at their next calls, as a reboot of the device does. */
  reset(): void {
    this.#write(0, this.#read(0) + 1);
  }

  /** Lets the token allow so many sessions, over all processes. @param sessions 0: as many as the real module does */
  limitSessions(sessions: number): void {
    this.#write(4, sessions);
  }

  /**
   * Lets the module draw the IV of each CKM_AES_GCM itself, as HSMs in FIPS mode do, whatever the caller gave.
   * @param how whether it writes it over the caller's, or keeps it
   */
  drawIvs(how: 'given back' | 'kept'): void {
    this.#write(8, how === 'given back' ? 1 : 2);
  }

  /** Lets the token take its PIN at the device alone; there it is given the one in FAULTS_PIN of the environment. */
  protectPath(): void {
    this.#write(12, 1);
  }

  close(): void {
    closeSync(this.#file);
  }

  #write(position: number, value: number): void {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32LE(value >>> 0);
    writeSync(this.#file, bytes, 0, 4, position);
  }

  #read(position: number): number {
    const bytes = Buffer.alloc(4);
    readSync(this.#file, bytes, 0, 4, position);
    return bytes.readUInt32LE();
  }
}

/** Compiles the module where that was not done since its source changed. @returns its path */
export function buildModule(): string {
  const source = join(checkout, 'test/faults/faults.c');
  const built = join(checkout, 'dist/test/faults/faults.so');
  if (existsSync(built) && statSync(built).mtimeMs > statSync(source).mtimeMs) return built;
  // Several tests may do so at a time.
  const partial = `${built}.${process.pid}`;
  const headers = join(checkout, 'node_modules/pkcs11js/includes/pkcs11');
  const options = ['-shared', '-fPIC', '-O2', '-Wall', '-Wextra', '-Werror', '-I', headers];
  execFileSync('cc', [...options, '-o', partial, source, '-ldl'], { stdio: ['ignore', 'ignore', 'inherit'] });
  renameSync(partial, built);
  return built;
}
