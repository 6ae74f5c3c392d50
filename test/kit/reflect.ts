// Nest reads constructor types from decorator metadata, which needs this before the first decorator runs.
import 'reflect-metadata';
