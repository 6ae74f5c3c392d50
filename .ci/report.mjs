// Reads the JSON reports of the test runs for `.ci/run`.
//   node .ci/report.mjs files FIRST          the files that failed, a line each
//   node .ci/report.mjs failures FIRST       each failed test with the beginning of its messages
//   node .ci/report.mjs counts FIRST SECOND  "N passed, N failed, N skipped"; SECOND is the run of the failed files
//                                            alone and counts instead of the first for those
import { readFileSync } from 'node:fs';

/** A file that does not load fails without a failed test in it. */
const failedFiles = (report) => report.testResults.filter((file) => file.status !== 'passed');
const tests = (files) => files.flatMap((file) => file.assertionResults);
const count = (files, ...statuses) => tests(files).filter(({ status }) => statuses.includes(status)).length;

/** What a failed test says, without the runner's own part of the stack. */
const ownLines = (messages) =>
  messages
    .join('\n')
    .split('\n')
    .filter((line) => !line.includes('/node_modules/') && line.trim() !== 'at new Promise (<anonymous>)')
    .slice(0, 12);

function read(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return undefined;
  }
}

const [, , what, firstPath, secondPath] = process.argv;
const first = read(firstPath);
const second = secondPath === undefined ? undefined : read(secondPath);
const root = `${process.cwd()}/`;

if (what === 'files') {
  for (const file of first === undefined ? [] : failedFiles(first)) console.log(file.name.replace(root, ''));
} else if (what === 'failures') {
  for (const file of first === undefined ? [] : failedFiles(first)) {
    console.log(`- ${file.name.replace(root, '')}`);
    const failed = file.assertionResults.filter(({ status }) => status === 'failed');
    if (failed.length === 0) console.log(`    ${String(file.message).slice(0, 1000)}`);
    for (const { fullName, failureMessages } of failed) {
      console.log(`    ${fullName}`);
      for (const line of ownLines(failureMessages)) console.log(`      ${line.slice(0, 300)}`);
    }
  }
} else {
  const again = new Set(second?.testResults.map(({ name }) => name));
  const files = [
    ...(first?.testResults ?? []).filter(({ name }) => !again.has(name)),
    ...(second?.testResults ?? []),
  ];
  const judge = second ?? first;
  const failed = count(files, 'failed');
  // An error outside of any test, or no report at all, is a failure too.
  const shown = judge?.success === true ? failed : Math.max(failed, 1);
  console.log(
    `${count(files, 'passed')} passed, ${shown} failed, ${count(files, 'pending', 'skipped', 'todo')} skipped`,
  );
}
