import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** What a document names as its proof: files in backticks, each with words that it must have where they follow. */
export function shownBy(text: string): { file: string; title: string | undefined }[] {
  return [...text.matchAll(/`([^`]+)`(?: “([^”]+)”)?/g)].map(([, file = '', title]) => ({ file, title }));
}

/** What of it is not there, in words. */
export function notShown(text: string): string[] {
  return shownBy(text).flatMap(({ file, title }) => {
    const path = join(ROOT, file);
    if (!existsSync(path)) return [`names ${file}, which does not exist`];
    return title === undefined || readFileSync(path, 'utf8').includes(title)
      ? []
      : [`names “${title}”, which ${file} does not say`];
  });
}
