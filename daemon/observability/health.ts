// The health report.

/** Details for the health report. */
export interface HealthDetails {
  readonly keyStores: Readonly<Record<string, string>>;
  readonly audit: {
    readonly available: boolean;
    readonly sinks: Readonly<Record<string, object>>;
    /** The newest durable record, and its hash. */
    readonly sequence: number;
    readonly hash: string;
  };
}

/** What `/healthz` reports. Only faults make it unhealthy, so an unhealthy report always says why. */
export class Health {
  /** Whether operations succeed now. */
  readonly healthy: boolean;
  readonly keyStores: HealthDetails['keyStores'];
  readonly audit: HealthDetails['audit'];
  /** The faults first. */
  readonly warnings: readonly string[];

  /**
   * @param faults why operations do not succeed now, a sentence each
   * @param warnings what an operator should know although all operations succeed
   */
  constructor(faults: readonly string[], warnings: readonly string[], { keyStores, audit }: HealthDetails) {
    this.healthy = faults.length === 0;
    this.keyStores = keyStores;
    this.audit = audit;
    this.warnings = [...faults, ...warnings];
  }
}
