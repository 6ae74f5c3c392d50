import { describe, expect, it } from 'vitest';
import { Egress } from './egress.ts';

const refused = (code: string): object => ({ code });

describe('a target of a sink', () => {
  const open = new Egress([]);

  it.each(['8.8.8.8', '2606:4700::1111', '[2606:4700::1111]'])('may be %s', async (host) => {
    expect(await open.check(host)).toMatchObject({ allowed: false });
  });

  it.each([
    '127.0.0.1',
    '127.1.2.3',
    '0.0.0.0',
    '10.0.0.1',
    '172.16.0.1',
    '192.168.1.1',
    '100.64.0.1',
    '100.100.100.200',
    '169.254.169.254',
    '168.63.129.16',
    '192.0.0.192',
    '224.0.0.1',
    '255.255.255.255',
    '240.0.0.1',
    '198.18.0.1',
    '::',
    '::1',
    '[::1]',
    '::127.0.0.1',
    '::7f00:1',
    '::10.0.0.1',
    '4000::1',
    '::ffff:127.0.0.1',
    '::ffff:7f00:1',
    '::ffff:169.254.169.254',
    '::ffff:0:127.0.0.1',
    '64:ff9b::7f00:1',
    '64:ff9b:1::a9fe:a9fe',
    '2002:7f00:1::',
    'fe80::1',
    'fc00::1',
    'fd00:ec2::254',
    'ff02::1',
    '2130706433',
    '0x7f.1',
    '0177.0.0.1',
    'localhost',
    'x.localhost',
  ])('is never %s', async (host) => {
    await expect(open.check(host)).rejects.toMatchObject(refused('target_denied'));
  });

  it('is judged by every address its name has', async () => {
    const egress = new Egress([], async () => ['8.8.8.8', '10.0.0.1']);
    await expect(egress.check('two.example')).rejects.toMatchObject(refused('target_denied'));
  });

  it('is the address that was judged', async () => {
    const answers = [['8.8.8.8'], ['127.0.0.1']];
    const egress = new Egress([], async () => answers.shift() ?? []);
    expect(await egress.check('rebinding.example')).toEqual({ address: '8.8.8.8', allowed: false });
    await expect(egress.check('rebinding.example')).rejects.toMatchObject(refused('target_denied'));
  });

  it('may be inside where the operator allows the network', async () => {
    const egress = new Egress(['10.1.0.0/16', 'fd00::/8', '127.0.0.0/8']);
    expect(await egress.check('10.1.2.3')).toEqual({ address: '10.1.2.3', allowed: true });
    expect(await egress.check('::ffff:10.1.2.3')).toEqual({ address: '10.1.2.3', allowed: true });
    expect(await egress.check('fd12::1')).toEqual({ address: 'fd12::1', allowed: true });
    expect(await egress.check('localhost')).toEqual({ address: '127.0.0.1', allowed: true });
    await expect(egress.check('10.2.0.1')).rejects.toMatchObject(refused('target_denied'));
  });

  it('must have an address', async () => {
    await expect(new Egress([], async () => []).check('none.example')).rejects.toMatchObject(
      refused('name_unknown'),
    );
  });

  it('stops the start where a network is none', () => {
    expect(() => new Egress(['10.0.0.0'])).toThrow('PORTCULLIS_EGRESS_ALLOW');
  });
});
