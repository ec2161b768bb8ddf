// Installs the Node that the benchmarks start tunicorn with.
import { installNodeOfPip } from "./bench-peers.js";

installNodeOfPip();
