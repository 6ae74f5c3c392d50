/**
 * Which accounts are one human. Two accounts of one person count once, so whatever speaks for one person is believed:
 * an administrator said so, or the mailboxes are the same but for a tag (RFC 5233: `ann+ops@x` is `ann@x`).
 */
export interface Account {
  readonly userId: string;
  readonly email: string;
}

/** `[account, the account of the same person]`. */
export type SamePerson = readonly [string, string];

/** The mailbox of an address without its tag, in small letters. */
export function mailboxOf(email: string): string {
  const at = email.lastIndexOf('@');
  const [local = ''] = email.slice(0, at).split('+');
  return `${local}${email.slice(at)}`.toLowerCase();
}

/** Tells the person of an account: an id that all accounts of one human share. Unknown accounts are their own. */
export function personsOf(
  accounts: readonly Account[],
  links: readonly SamePerson[],
): (userId: string) => string {
  const parent = new Map<string, string>();
  const root = (id: string): string => {
    let at = id;
    for (let up = parent.get(at); up !== undefined && up !== at; up = parent.get(at)) at = up;
    return at;
  };
  const join = (a: string, b: string): void => {
    // The smaller id stands for both, whatever the order of what is known.
    const [low, high] = [root(a), root(b)].sort() as [string, string];
    parent.set(high, low);
  };
  for (const [a, b] of links) join(a, b);
  const byMailbox = new Map<string, string>();
  for (const { userId, email } of accounts) {
    const mailbox = mailboxOf(email);
    const other = byMailbox.get(mailbox);
    if (other === undefined) byMailbox.set(mailbox, userId);
    else join(other, userId);
  }
  return root;
}
