/** Settings of Gunicorn that are known by name and have no effect yet. */
export const settingsNotYet: readonly string[] = `
  asgi_loop asgi_lifespan asgi_disconnect_grace_period http_parser reload reload_engine
  reload_extra_files spew sendfile daemon tmp_upload_dir
  websocket_max_message_size root_path disable_redirect_access_to_syslog capture_output
  logger_class logconfig logconfig_dict logconfig_json syslog_addr syslog syslog_prefix
  syslog_facility enable_stdio_inheritance statsd_host dogstatsd_tags statsd_prefix
  enable_backlog_metric keyfile certfile ssl_version cert_reqs ca_certs
  suppress_ragged_eofs do_handshake_on_connect ciphers http_protocols http2_cleartext
  http2_max_concurrent_streams http2_initial_window_size http2_max_frame_size
  http2_max_header_list_size dirty_apps dirty_workers dirty_timeout dirty_threads
  dirty_graceful_timeout control_socket control_socket_mode control_socket_disable
`
  .trim()
  .split(/\s+/);
