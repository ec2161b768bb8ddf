const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"] as const;

function two(value: number): string {
  return value < 10 ? `0${value}` : String(value);
}

/** Offset from UTC as `+0800`. */
function offsetText(date: Date): string {
  const minutes = -date.getTimezoneOffset();
  const absolute = Math.abs(minutes);
  return `${minutes < 0 ? "-" : "+"}${two(Math.floor(absolute / 60))}${two(absolute % 60)}`;
}

/** `[2026-11-20 23:49:21 +0000]`: how Gunicorn's error log begins its lines. */
export function errorLogTime(date: Date): string {
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `[${day} ${clock(date)} ${offsetText(date)}]`;
}

/** `[20/Nov/2026:23:49:21 +0000]`: the access log's `%(t)s`. */
export function accessLogTime(date: Date): string {
  const day = `${two(date.getDate())}/${MONTHS[date.getMonth()]}/${date.getFullYear()}`;
  return `[${day}:${clock(date)} ${offsetText(date)}]`;
}

function clock(date: Date): string {
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}
