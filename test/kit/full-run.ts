/** Whether the suites that go on for long do all of it (`PORTCULLIS_TEST_FULL=1`), or enough to see what they are for. */
export const isFullRun = process.env['PORTCULLIS_TEST_FULL'] !== undefined;
