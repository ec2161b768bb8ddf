import type { Settings } from "./settings/all.ts";

/** How logs and titles name the application; empty when none is named. */
export function applicationName({ paste, wsgi_app: specification }: Settings): string {
  return paste ?? specification ?? "";
}
