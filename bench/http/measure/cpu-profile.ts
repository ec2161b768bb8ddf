/** Where the time of all cores goes during a load, in microseconds for each request. */
export interface CpuProfile {
  /** The load generator. */
  readonly client: CpuTime;
  /** tunicorn's routers; nothing of any other server. */
  readonly router: CpuTime;
  /** All other processes of the server. */
  readonly workers: CpuTime;
  /** What neither these nor other programs used. */
  readonly idle: number;
}

export interface CpuTime {
  readonly user: number;
  readonly system: number;
}

export type CpuPart = Exclude<keyof CpuProfile, "idle">;
export const CPU_PARTS: readonly CpuPart[] = ["client", "router", "workers"];

/** To which part a process of the server belongs, by the title that it has given itself. */
export function partOf(title: string): Exclude<CpuPart, "client"> {
  return title.startsWith("tunicorn: router") ? "router" : "workers";
}

export function mapCpuProfile(profile: CpuProfile, map: (value: number) => number): CpuProfile {
  const part = ({ user, system }: CpuTime): CpuTime => ({ user: map(user), system: map(system) });
  return {
    client: part(profile.client),
    router: part(profile.router),
    workers: part(profile.workers),
    idle: map(profile.idle),
  };
}
