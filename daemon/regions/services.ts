// The services of this folder for handlers.

/** State of the connection to another Region. */
export type RegionConnectionState =
  /** Requests can be sent. */
  | 'CONNECTED'
  /** The first attempt is being made. */
  | 'CONNECTING'
  /** The last attempt found nobody. */
  | 'UNREACHABLE'
  /** The last attempt ended because one side refused the other's certificate. */
  | 'REFUSED';

/** The connection to another Region. */
export interface RegionConnection {
  readonly state: RegionConnectionState;
  /** Why there is no connection, a sentence; undefined while there is one. */
  readonly problem: string | undefined;
}

/** The services of this folder for handlers. */
export interface RegionServices {
  readonly regions: {
    /** This Region's name. */
    readonly own: string;
    /** Where other Regions reach this one; undefined: the configuration has no section `regions`. */
    readonly endpoint: string | undefined;
    /** The connection to a Region. @returns undefined if there is no complete link, or no section `regions` */
    connectionOf(region: string): RegionConnection | undefined;
    /** How many keys wait for a Region. */
    pendingKeys(region: string): number;
  };
}
