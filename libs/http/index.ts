export { Answers, type AnswerOptions } from './answers.ts';
export { AppLogger, batchedSink, type LogSink } from './app-logger.ts';
export { createHttpApp, type HttpAppOptions } from './create-http-app.ts';
export {
  Anything,
  Choice,
  Cursor,
  Email,
  Flag,
  Id,
  ListOf,
  Nested,
  PageQuery,
  pageViewOf,
  schemaOf,
  Secret,
  Slug,
  Text,
  Time,
  Whole,
} from './fields.ts';
export { HttpFault } from './http.faults.ts';
export { HttpModule } from './http.module.ts';
export { httpSettings } from './http.settings.ts';
export { IdPipe } from './input-pipe.ts';
export { OpenApi } from './open-api.ts';
export type { Problem } from './problem.ts';
