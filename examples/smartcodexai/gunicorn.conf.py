# gunicorn.conf.py
import multiprocessing

# -- Server Socket --
# '0.0.0.0' 使應用程式可以從容器外部存取
bind = "0.0.0.0:5000"

# -- Worker Processes --
# 動態設定工作進程數量，公式為 (2 * CPU 核心數) + 1
workers = multiprocessing.cpu_count() * 2 + 1
# 使用同步工作模式 (sync)，適用於 Flask 等 WSGI 應用
worker_class = "sync"
# 工作進程處理請求的超時時間（秒）
timeout = 300

# -- Logging --
# 日誌等級
loglevel = "info"
# 將日誌導向標準輸出，方便 Docker 收集
accesslog = "-"
errorlog = "-"
