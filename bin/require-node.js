// Read by whatever Node is found: no syntax and no module newer than Node 12 up to the check.
const required = [20, 19];
const [major, minor] = process.versions.node.split(".").map(Number);

if (major < required[0] || (major === required[0] && minor < required[1])) {
  process.stderr.write(
    `tunicorn needs Node ${required.join(".")} or newer, but this is Node ${process.versions.node}. Install it from https://nodejs.org or your system's packages.\n`,
  );
  process.exit(1);
}
