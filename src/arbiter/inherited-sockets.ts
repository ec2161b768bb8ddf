/** Sockets that were bound before this process began: by systemd, or by the arbiter that it is to follow. */

/** A socket that is open in this process since it began. */
export interface InheritedSocket {
  readonly fd: number;
  /** The address of `bind` that it was bound for; null: whoever bound it did not say. */
  readonly address: string | null;
  /** Its file is ours to remove once the process that bound it has left. */
  readonly ownsFile: boolean;
}

export interface Inheritance {
  /** The arbiter that started us to take its place, or null. */
  readonly predecessor: number | null;
  readonly sockets: readonly InheritedSocket[];
  /** The sockets are what is listened on, whatever `bind` says. */
  readonly replacesBind: boolean;
  /** How the log names where they come from. */
  readonly origin: string;
}

/** The first descriptor that systemd passes (sd_listen_fds(3)). */
const FIRST_PASSED_FD = 3;

const variables = {
  listenPid: "LISTEN_PID",
  listenFds: "LISTEN_FDS",
  listenNames: "LISTEN_FDNAMES",
  /** Gunicorn's own two: either may follow the other. */
  predecessor: "GUNICORN_PID",
  descriptors: "GUNICORN_FD",
  /** What Gunicorn's do not say; JSON of a HandedOver. */
  details: "TUNICORN_SOCKETS",
} as const;

/** What an arbiter tells the next one about its sockets, beside their descriptors. */
interface HandedOver {
  readonly replacesBind: boolean;
  readonly sockets: readonly { readonly address: string; readonly ownsFile: boolean }[];
}

/** Reads what was inherited, and removes the variables: they are for this process alone. */
export function takeInheritance(environment: NodeJS.ProcessEnv, pid: number): Inheritance {
  const read = (name: keyof typeof variables): string => environment[variables[name]] ?? "";
  const isForUs = read("listenPid") === String(pid);
  const passed = isForUs ? wholeNumberOf(read("listenFds")) : 0;
  const passedNames = read("listenNames");
  const predecessor = wholeNumberOf(read("predecessor"));
  const descriptors = descriptorsOf(read("descriptors"));
  const details = detailsOf(read("details"), descriptors.length);
  const { listenPid, listenFds, listenNames, ...handedOver } = variables;
  const used = [...Object.values(handedOver), ...(isForUs ? [listenPid, listenFds, listenNames] : [])];
  for (const name of used) Reflect.deleteProperty(environment, name);

  if (passed > 0) {
    const sockets = Array.from({ length: passed }, (_, index) => ({
      fd: FIRST_PASSED_FD + index,
      address: null,
      ownsFile: false,
    }));
    const origin = `systemd${passedNames === "" ? "" : ` (${passedNames.replaceAll(":", ", ")})`}`;
    return { predecessor: predecessor || null, sockets, replacesBind: true, origin };
  }
  if (predecessor === 0) return { predecessor: null, sockets: [], replacesBind: false, origin: "" };
  return {
    predecessor,
    sockets: descriptors.map((fd, index) => ({
      fd,
      address: details?.sockets[index]?.address ?? null,
      // A Gunicorn that is followed leaves the files of its sockets to whoever follows it.
      ownsFile: details === null || details.sockets[index]?.ownsFile === true,
    })),
    replacesBind: descriptors.length > 0 && (details === null || details.replacesBind),
    origin: `the arbiter before (pid:${predecessor})`,
  };
}

/** The variables by which the next arbiter hears of sockets that it has at these descriptors. */
export function describeInheritance(
  pid: number,
  sockets: readonly (InheritedSocket & { readonly address: string })[],
  replacesBind: boolean,
): Readonly<Record<string, string>> {
  const details: HandedOver = {
    replacesBind,
    sockets: sockets.map(({ address, ownsFile }) => ({ address, ownsFile })),
  };
  return {
    [variables.predecessor]: String(pid),
    [variables.descriptors]: sockets.map(({ fd }) => fd).join(","),
    [variables.details]: JSON.stringify(details),
  };
}

function wholeNumberOf(text: string): number {
  return /^[0-9]{1,9}$/.test(text) ? Number(text) : 0;
}

function descriptorsOf(text: string): number[] {
  return text.split(",").flatMap((part) => (/^[0-9]{1,9}$/.test(part) ? [Number(part)] : []));
}

/** Null when there are none, or none that fit: then they are not from a tunicorn of this kind. */
function detailsOf(text: string, count: number): HandedOver | null {
  try {
    const value: unknown = JSON.parse(text);
    return isHandedOver(value) && value.sockets.length === count ? value : null;
  } catch {
    return null;
  }
}

function isHandedOver(value: unknown): value is HandedOver {
  return (
    typeof value === "object" &&
    value !== null &&
    "replacesBind" in value &&
    "sockets" in value &&
    Array.isArray(value.sockets) &&
    value.sockets.every(
      (socket: unknown) => typeof socket === "object" && socket !== null && "address" in socket,
    )
  );
}
