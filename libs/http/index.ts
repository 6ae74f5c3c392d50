export { Answers, type AnswerOptions } from './answers.ts';
export { AppLogger, batchedSink, type LogSink } from './app-logger.ts';
export { createHttpApp, type HttpAppOptions } from './create-http-app.ts';
export {
  Anything,
  Choice,
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
export { HttpModule } from './http.module.ts';
export { httpSettings } from './http.settings.ts';
export { IdPipe, readInput, Sha256Pipe, SlugPipe } from './input-pipe.ts';
export type { Problem } from './problem.ts';
export { RequestTimes } from './request-times.ts';
export { RawBody } from './raw-body.ts';
export { parseStrictJson } from './strict-json.ts';
