/** Names of Gitea and of git, checked before they become part of a path that we ask for. */

const COMMIT = /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/;
const OWNER_OR_NAME = /^[a-z0-9_.-]{1,100}$/;
/** What git lets stand in no ref (git-check-ref-format). */
const NOT_IN_REFS = /[\u0000-\u0020\u007f~^:?*[\\]|\.\.|\/\/|@\{|(?:^|\/)\.|\.lock(?:\/|$)|^\/|[/.]$|^@$/;

export function isCommit(text: string): boolean {
  return COMMIT.test(text);
}

/** `owner/name` in small letters; neither part is `.` or `..`. */
export function isRepository(text: string): boolean {
  const parts = text.split('/');
  return parts.length === 2 && parts.every((part) => OWNER_OR_NAME.test(part) && !/^\.+$/.test(part));
}

/** The name of a branch or a tag, without `refs/heads/`. */
export function isRefName(text: string): boolean {
  return text !== '' && text.length <= 255 && text.isWellFormed() && !NOT_IN_REFS.test(text);
}

/** Whether one of the patterns fits; `*` stands for any characters. */
export function fitsAny(patterns: readonly string[], name: string): boolean {
  return patterns.some((pattern) => fits(pattern, name));
}

function fits(pattern: string, name: string): boolean {
  let [at, from, star, resume] = [0, 0, -1, 0];
  while (at < name.length) {
    if (pattern[from] === '*') {
      star = from;
      from += 1;
      resume = at;
    } else if (from < pattern.length && pattern[from] === name[at]) {
      from += 1;
      at += 1;
    } else if (star >= 0) {
      // The last star takes one character more.
      from = star + 1;
      resume += 1;
      at = resume;
    } else return false;
  }
  while (pattern[from] === '*') from += 1;
  return from === pattern.length;
}
