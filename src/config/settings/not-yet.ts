/** Settings of Gunicorn that are known by name and have no effect yet. */
export const settingsNotYet: readonly string[] = `
  keyfile
  certfile
  ssl_version
  cert_reqs
  ca_certs
  suppress_ragged_eofs
  do_handshake_on_connect
  ciphers
  http_protocols
  http2_cleartext
  http2_max_concurrent_streams
  http2_initial_window_size
  http2_max_frame_size
  http2_max_header_list_size
  dirty_apps
  dirty_workers
  dirty_timeout
  dirty_threads
  dirty_graceful_timeout
  control_socket
  control_socket_mode
  control_socket_disable
`
  .trim()
  .split(/\s+/);
