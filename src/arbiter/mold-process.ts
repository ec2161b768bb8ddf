/** The process of a mold: a child of ours, or, in a daemon, one that the command has begun and handed over. */
import { spawn } from "node:child_process";
import { Socket } from "node:net";
import { join } from "node:path";
import { TunicornError } from "../errors.ts";
import { pythonPackage } from "../system/python-package.ts";
import { signalPid } from "./pids.ts";
import { howEnded } from "./wording.ts";

const MOLD_PROGRAM = join(pythonPackage, "start_mold.py");

/** Status of a mold whose interpreter is too old; python/tunicorn/start_mold.py has it too. */
const EXIT_PYTHON_TOO_OLD = 78;

export interface MoldProcess {
  /** Its end of the control channel. */
  readonly control: Socket;
  /** Calls back once, with the reason, when the process is gone or could not be started. */
  onGone(callback: (reason: TunicornError) => void): void;
  kill(): void;
}

/** A mold that has run the configuration file already. */
export interface AdoptedMold {
  readonly pid: number;
  /** Version and path of its interpreter. */
  readonly python: string;
  readonly control: Socket;
}

export interface MoldStart {
  readonly interpreter: string;
  /** Folder in which the configuration file is read. */
  readonly workingFolder: string;
  /** What the application finds in sys.argv. */
  readonly words: readonly string[];
}

export function spawnMold({ interpreter, workingFolder, words }: MoldStart): MoldProcess {
  const mold = spawn(interpreter, [MOLD_PROGRAM, ...words], {
    cwd: workingFolder,
    // The process group stays the arbiter's: a terminal's signals reach all, and the mold ignores them.
    stdio: ["ignore", "inherit", "inherit", "pipe"],
  });
  return {
    control: mold.stdio[3] as Socket,
    kill: () => mold.kill("SIGKILL"),
    onGone: (callback) => {
      mold.once("exit", (status, signal) => callback(endOf(status, signal)));
      mold.once("error", (error) =>
        callback(
          new TunicornError("ERR_INTERPRETER", `Cannot run ${interpreter}: ${error.message}`, {
            hint: "Name a Python that runs with --python",
          }),
        ),
      );
    },
  };
}

/** Takes a mold over. It is nobody's child here: that its channel ends tells that it is gone. */
export function adoptMold({ pid, control }: AdoptedMold): MoldProcess {
  return {
    control,
    kill: () => {
      if (!control.destroyed) signalPid(pid, "SIGKILL");
      control.destroy();
    },
    onGone: (callback) => {
      control.once("close", () => callback(new TunicornError("ERR_MOLD_LOST", "The mold process ended")));
    },
  };
}

function endOf(status: number | null, signal: NodeJS.Signals | null): TunicornError {
  // A Python that is too old has said so itself, in words of its own version.
  if (status === EXIT_PYTHON_TOO_OLD) return new TunicornError("ERR_INTERPRETER", "");
  const hint =
    signal === "SIGKILL"
      ? "Often the machine, or the container, had no memory left"
      : "What Python printed last, if anything, stands above";
  return new TunicornError("ERR_MOLD_LOST", `The mold process ended ${howEnded(status, signal)}`, { hint });
}
