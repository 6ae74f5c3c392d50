import { eventTypeNames, eventTypes } from '../event-types.ts';

/** Everything that can be published, as it is published. */
export const eventCatalogue = {
  items: eventTypeNames.map((type) => {
    const entry: { description: string; of: readonly string[]; carries?: readonly string[] } =
      eventTypes[type];
    return { type, description: entry.description, of: [...entry.of], carries: [...(entry.carries ?? [])] };
  }),
};
