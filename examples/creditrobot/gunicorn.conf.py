# gunicorn.conf.py

import multiprocessing
import os

# Host and Port
# Bind to 0.0.0.0 to be accessible from outside the Docker container.
# The port should match the EXPOSE instruction in your Dockerfile.
bind = "0.0.0.0:5000"

# Worker Processes
# Gunicorn recommends (2 * number of CPU cores) + 1 as a starting point.
# Docker containers might have CPU limits, so adjust accordingly.
# For a system with os.cpu_count() available:
try:
    workers = (multiprocessing.cpu_count() * 2) + 1
except NotImplementedError:
    workers = 3 # Default if cpu_count is not available

# For environments where os.environ provides CPU_LIMIT (e.g. some PaaS):
# workers = int(os.environ.get('WEB_CONCURRENCY', multiprocessing.cpu_count() * 2 + 1))


# Worker Class
# 'sync' is the default. For I/O bound applications, 'gevent' or 'eventlet'
# can provide better concurrency with async workers. This requires installing
# gevent or eventlet separately (add to requirements.txt).
# For simplicity, we'll start with 'sync'.
worker_class = "sync"
# To use gevent:
# worker_class = "gevent"
# threads = 2 # Number of threads per worker when using gevent

# Worker Connections
# The maximum number of simultaneous clients. Only affects async workers.
# worker_connections = 1000

# Timeout
# Workers silent for more than this many seconds are killed and restarted.
# Value is a positive number greater than zero. The default is 30.
timeout = 120

# Keep Alive
# The number of seconds to wait for requests on a Keep-Alive connection.
# Generally set in the 1-5 seconds range. Default is 2.
keepalive = 5

# Logging
# Access log format.
# For more detailed logging options, refer to Gunicorn documentation.
accesslog = "-"  # Log to stdout
errorlog = "-"   # Log to stderr
loglevel = os.environ.get("GUNICORN_LOG_LEVEL", "info") # Default to 'info', configurable via env var
# Example of a more detailed access log format:
# access_log_format = '%(h)s %(l)s %(u)s %(t)s "%(r)s" %(s)s %(b)s "%(f)s" "%(a)s"'

# Process Naming (useful for process monitoring)
# proc_name = 'creditrobot-gunicorn'

# Server Mechanics
# Daemonize the Gunicorn process (not recommended when running in Docker, let Docker manage the process)
# daemon = False

# Preload Application
# Load application code before the worker processes are forked.
# This can save some RAM resources as well as speed up server boot times.
# However, it can have some drawbacks if your application has specific needs
# around per-worker initialization or resource handling.
preload_app = True

# SSL (Typically handled by a reverse proxy like Nginx in production)
# keyfile = None
# certfile = None
# ssl_version = ...

# Ensure this file is copied into your Docker image if it's not in the root
# or adjust paths in the Dockerfile CMD accordingly.
# If gunicorn.conf.py is in the root, `COPY . .` in Dockerfile handles it.
