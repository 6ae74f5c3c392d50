import { appendRecord, asRole } from './sql.ts';

/** Writes events by SQL, in transactions of at most `AT_ONCE`, through the same triggers as the product's. */
export async function fillOutbox(adminUrl: string, orgId: string, count: number, bytes = 200): Promise<void> {
  await asRole(adminUrl, async (query) => {
    for (let done = 0; done < count; done += AT_ONCE) {
      await query('BEGIN');
      await appendRecord(query, orgId);
      await query(
        `INSERT INTO events (org_id, id, type, body)
         SELECT $1::uuid, id, type, '{"id":"' || id || '","specversion":"1.0","source":"/orgs/' || $1::uuid::text
             || '","type":"' || type || '","subject":"role/' || n || '","time":"2026-11-22T03:00:00Z","datacontenttype":"application/json","partitionkey":"'
             || $1::uuid::text || '","data":{"text":"'
             || repeat('x', $3) || '"}}'
           FROM (SELECT n, gen_random_uuid() AS id,
                        (ARRAY['portcullis.role.created', 'portcullis.session.revoked'])[1 + n % 2] AS type
                   FROM generate_series(1, $2::int) AS n) AS made ORDER BY n`,
        [orgId, Math.min(AT_ONCE, count - done), bytes],
      );
      await query('COMMIT');
    }
  });
}

const AT_ONCE = 1_000;

export interface Published {
  readonly pos: number;
  readonly id: string;
  readonly body: string;
  readonly evidence: readonly {
    readonly attempt: number;
    readonly sequence: number;
    readonly duplicate: boolean;
    readonly digest: string;
  }[];
}

/** Every event of an organization in order, with the evidence of its publications. */
export async function published(adminUrl: string, orgId: string): Promise<Published[]> {
  const rows = await asRole(adminUrl, (query) =>
    query(
      `SELECT p.pos::int AS pos, e.id, e.body,
              coalesce(json_agg(json_build_object('attempt', b.attempt, 'sequence', b.sequence,
                'duplicate', b.duplicate, 'digest', encode(b.payload_sha256, 'hex')) ORDER BY b.attempt)
                FILTER (WHERE b.pos IS NOT NULL), '[]') AS evidence
         FROM event_positions p JOIN events e ON e.org_id = p.org_id AND e.id = p.event_id
         LEFT JOIN event_publications b ON b.org_id = p.org_id AND b.pos = p.pos
        WHERE p.org_id = $1 GROUP BY p.pos, e.id, e.body ORDER BY p.pos`,
      [orgId],
    ),
  );
  return rows as unknown as Published[];
}
