import { existsSync } from "node:fs";
import { open, unlink, type FileHandle } from "node:fs/promises";
import { join } from "node:path";

/** A private file (mode 0600) for a body in passing. */
export interface BodyFile {
  readonly handle: FileHandle;
  /** Under which another process of this user can open the same file. */
  readonly path: string;
  /** Closes and removes it. */
  dispose(): Promise<void>;
}

/** Others may use the same folder (`tmp_upload_dir`), also from another pid namespace. */
let ownName = "";
let fileNumber = 0;
/** Other processes can open what we have open. A chroot may have no /proc. */
let isReachedByDescriptor: boolean | null = null;

/**
 * Makes a body file. Where there is /proc, its name is removed at once, so that nothing is left however this
 * process ends; others reach it through our open descriptor. Elsewhere the name stays until `dispose`.
 */
export async function makeBodyFile(directory: string): Promise<BodyFile> {
  if (ownName === "") {
    // Imported only now: most routers never need it.
    const { randomBytes } = await import("node:crypto");
    ownName = `tunicorn-body-${process.pid}-${randomBytes(6).toString("hex")}`;
  }
  fileNumber += 1;
  const path = join(directory, `${ownName}-${fileNumber}`);
  const handle = await open(path, "wx+", 0o600);
  isReachedByDescriptor ??= existsSync(`/proc/${process.pid}/fd`);
  if (isReachedByDescriptor) {
    await unlink(path);
    return { handle, path: `/proc/${process.pid}/fd/${handle.fd}`, dispose: () => handle.close() };
  }
  return {
    handle,
    path,
    dispose: async () => {
      await handle.close();
      await unlink(path);
    },
  };
}

/** Writes all of it at a position; one `write` may write less. */
export async function writeFully({ handle }: BodyFile, bytes: Buffer, position: number): Promise<void> {
  let offset = 0;
  while (offset < bytes.length) {
    const { bytesWritten } = await handle.write(bytes, offset, bytes.length - offset, position + offset);
    offset += bytesWritten;
  }
}

/** Opens a file of the application for reading; it is not removed. */
export async function openBodyFile(path: string): Promise<BodyFile> {
  const handle = await open(path, "r");
  return { handle, path, dispose: () => handle.close() };
}
