import { run } from './database.ts';

/**
 * Holds a transaction of the product at the moment it would write one thing of a rollout, so that the process can be
 * killed exactly there. A statement's time limit does not end the hold; only `cut` does.
 */
const HOLD = `
CREATE TABLE public.test_holds (rollout_id uuid, boundary text, PRIMARY KEY (rollout_id, boundary));
CREATE FUNCTION public.test_hold() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
DECLARE
  one jsonb := to_jsonb(NEW);
  written text := CASE TG_TABLE_NAME WHEN 'rollout_moves' THEN one ->> 'move'
                   ELSE lower(TG_OP) || ' ' || (one ->> 'unit') END;
BEGIN
  WHILE EXISTS (SELECT FROM test_holds h WHERE h.rollout_id = NEW.rollout_id AND h.boundary = written) LOOP
    BEGIN
      PERFORM pg_sleep(600);
    EXCEPTION WHEN query_canceled THEN NULL;
    END;
  END LOOP;
  RETURN NEW;
END $$;
CREATE TRIGGER test_hold BEFORE INSERT OR UPDATE ON portcullis.rollout_steps
  FOR EACH ROW EXECUTE FUNCTION public.test_hold();
CREATE TRIGGER test_hold BEFORE INSERT ON portcullis.rollout_moves
  FOR EACH ROW EXECUTE FUNCTION public.test_hold();
`;

/** `insert 3`: before the intent of step 3; `update 3`: before its outcome; or the name of a move. */
type Boundary =
  | `insert ${number}`
  | `update ${number}`
  | 'open_review'
  | 'approve'
  | 'arm'
  | 'execute'
  | 'verify'
  | 'finish_steps';

const HELD = `FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'`;

export class HeldBoundaries {
  private constructor(private readonly adminUrl: string) {}

  static async in(adminUrl: string): Promise<HeldBoundaries> {
    await run(adminUrl, HOLD);
    return new HeldBoundaries(adminUrl);
  }

  async hold(rolloutId: string, boundary: Boundary): Promise<void> {
    await run(this.adminUrl, 'INSERT INTO public.test_holds VALUES ($1, $2) ON CONFLICT DO NOTHING', [
      rolloutId,
      boundary,
    ]);
  }

  /** How many transactions stand still. */
  async count(): Promise<number> {
    const [row] = await run(this.adminUrl, `SELECT count(*)::int AS n ${HELD}`);
    return Number(row?.['n']);
  }

  /** Ends what the killed processes had under way, as a server does that sees the connection gone; and holds no more. */
  async cut(): Promise<void> {
    await run(this.adminUrl, 'DELETE FROM public.test_holds');
    await run(this.adminUrl, `SELECT pg_terminate_backend(pid, 10000) ${HELD}`);
  }
}
