// Builds the module of faults.c and controls it through the file that it maps.
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

/** The numbers of `enum action`. */
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
 * What happens at a call. `count`: nothing. `delay`: it waits. `fail`: an error instead of the call. `lose`: an error after the call.
 * `hang`: it waits until the rule is cleared. `crash`: SIGSEGV. `logout`, `closeSessions`: that, then the call.
 */
export type Action = Exclude<keyof typeof actions, 'none'>;

export interface Harm {
  /** Milliseconds of `delay`; the CK_RV of `fail` and `lose`. */
  readonly argument?: number;
  /** Calls that are left alone first; 0 if not given. */
  readonly after?: number;
  /** Calls that are affected, over all processes; all if not given. */
  readonly times?: number;
}

/** The layout of struct control and struct rule. */
const rulesAt = 4 * 4 + 30 * 4;
const ruleCount = 16;
const ruleSize = 64;
const at = { action: 32, argument: 36, after: 40, times: 44, seen: 48, fired: 52 } as const;
const everyTime = 0xffffffff;

/** A rule that affects calls until it is cleared. */
export class Rule {
  #fired: number | undefined;

  /**
   * @param read returns the number of calls affected so far
   * @param end removes the rule from the file
   */
  constructor(
    private readonly read: () => number,
    private readonly end: (rule: Rule) => void,
  ) {}

  /** Number of calls that it affected. */
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

  /** @param path path of the control file, which is created */
  constructor(readonly path: string) {
    writeFileSync(path, Buffer.alloc(rulesAt + ruleCount * ruleSize));
    this.#file = openSync(path, 'r+');
  }

  /** Environment of processes that load the module. @param module path of the real module */
  env(module: string): { FAULTS_MODULE: string; FAULTS_CONTROL: string } {
    return { FAULTS_MODULE: module, FAULTS_CONTROL: this.path };
  }

  /**
   * Adds a rule; there are 16 at most.
   * @param name name of a PKCS#11 function; `*` for every function
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
    // Counting begins here.
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

  /** Number of calls affected by rules that are cleared. */
  get harmed(): number {
    return this.#harmed;
  }

  /** Ends all faults. */
  clear(): void {
    for (const rule of this.#rules) rule.clear();
  }

  /** Closes all sessions of all processes at their next call, as a reboot of the device does. */
  reset(): void {
    this.#write(0, this.#read(0) + 1);
  }

  /** Limits the sessions of the token, over all processes. @param sessions 0: the limit of the real module */
  limitSessions(sessions: number): void {
    this.#write(4, sessions);
  }

  /**
   * Makes the module generate the IV of each CKM_AES_GCM itself, as HSMs in FIPS mode do.
   * @param how whether it writes the IV over the caller's, or keeps it
   */
  drawIvs(how: 'given back' | 'kept'): void {
    this.#write(8, how === 'given back' ? 1 : 2);
  }

  /** Makes the token take its PIN only at the device, where the PIN of the variable FAULTS_PIN is entered. */
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

/** Compiles the module if its source has changed. @returns its path */
export function buildModule(): string {
  const source = join(checkout, 'test/faults/faults.c');
  const built = join(checkout, 'dist/test/faults/faults.so');
  if (existsSync(built) && statSync(built).mtimeMs > statSync(source).mtimeMs) return built;
  // Several tests may compile it at the same time.
  const partial = `${built}.${process.pid}`;
  const headers = join(checkout, 'node_modules/pkcs11js/includes/pkcs11');
  const options = ['-shared', '-fPIC', '-O2', '-Wall', '-Wextra', '-Werror', '-I', headers];
  execFileSync('cc', [...options, '-o', partial, source, '-ldl'], { stdio: ['ignore', 'ignore', 'inherit'] });
  renameSync(partial, built);
  return built;
}
