"""
WSGI entry point for Gunicorn
"""
import os
from app import create_app

# The Gunicorn server will import this 'app' variable
app = create_app(os.getenv('FLASK_ENV') or 'development')
