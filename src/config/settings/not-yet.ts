/** A setting of Gunicorn that has no effect yet, as a command line or a configuration file writes it. */
export interface SettingNotYet {
  readonly flags: readonly string[];
  /** The flag is a switch. */
  readonly isSwitch: boolean;
  /** Saying this changes nothing. */
  readonly defaultValue: unknown;
}

function valued(flags: string, defaultValue: unknown): SettingNotYet {
  return { flags: flags.split(" ").filter(Boolean), isSwitch: false, defaultValue };
}

function toggle(flags: string, defaultValue = false): SettingNotYet {
  return { flags: flags.split(" "), isSwitch: true, defaultValue };
}

/** By their names. */
export const recordsNotYet: Readonly<Record<string, SettingNotYet>> = {
  http_protocols: valued("--http-protocols", "h1"),
  http2_cleartext: valued("--http2-cleartext", "off"),
  http2_max_concurrent_streams: valued("--http2-max-concurrent-streams", 100),
  http2_initial_window_size: valued("--http2-initial-window-size", 65_535),
  http2_max_frame_size: valued("--http2-max-frame-size", 16_384),
  http2_max_header_list_size: valued("--http2-max-header-list-size", 65_536),
  dirty_apps: valued("--dirty-app", []),
  dirty_workers: valued("--dirty-workers", 0),
  dirty_timeout: valued("--dirty-timeout", 300),
  dirty_threads: valued("--dirty-threads", 1),
  dirty_graceful_timeout: valued("--dirty-graceful-timeout", 30),
  control_socket: valued("--control-socket", null),
  control_socket_mode: valued("--control-socket-mode", 0o600),
  // There is none, so that this holds already.
  control_socket_disable: toggle("--no-control-socket", true),
};

export const settingsNotYet: readonly string[] = Object.keys(recordsNotYet);
