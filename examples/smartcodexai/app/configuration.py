"""One class of settings for each value of FLASK_ENV."""


class Development:
    DEBUG = True


class Production:
    DEBUG = False


CONFIGURATIONS = {"development": Development, "production": Production}
