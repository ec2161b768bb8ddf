// Installs what the benchmarks other than `npm run bench` start, and builds: they run in a fresh clone, too.
import { installNodeOfPip } from "./bench-peers.js";
import { build, installNodeModules, installPythonPackages } from "./steps.js";

installNodeModules();
build();
installPythonPackages(".venv", "requirements-test.txt");
installNodeOfPip();
