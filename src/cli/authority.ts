import 'reflect-metadata';
import {
  createPrivateKey,
  X509Certificate as NodeCertificate,
  randomBytes,
  webcrypto,
} from 'node:crypto';
import { isIP } from 'node:net';
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  type Extension,
  KeyUsageFlags,
  KeyUsagesExtension,
  PemConverter,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509Certificate,
  X509CertificateGenerator,
} from '@peculiar/x509';

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const dayMs = 86_400_000;
/** Clocks of two machines differ; a certificate made now is to be good at once. */
const backdatedMs = 3_600_000;
const caDays = 3650;

/** A certificate and its private key (PKCS #8), both PEM. */
export interface Issued {
  readonly cert: string;
  readonly key: string;
}

/** A certificate authority of one's own: P-256, and a path of length 0. */
export class Authority {
  readonly #certificate: X509Certificate;
  readonly #key: webcrypto.CryptoKey;

  private constructor(certificate: X509Certificate, key: webcrypto.CryptoKey) {
    this.#certificate = certificate;
    this.#key = key;
  }

  /** A new one; good for ten years. */
  static async make(): Promise<{ readonly authority: Authority; readonly issued: Issued }> {
    const keys = await newKeys();
    const certificate = await X509CertificateGenerator.createSelfSigned({
      serialNumber: newSerial(),
      name: [{ CN: [`pageferry CA ${randomBytes(4).toString('hex')}`] }],
      ...validFor(caDays, Date.now()),
      signingAlgorithm: algorithm,
      keys,
      extensions: [
        new BasicConstraintsExtension(true, 0, true),
        new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
        await SubjectKeyIdentifierExtension.create(keys.publicKey),
      ],
    });
    const authority = new Authority(certificate, keys.privateKey);
    return { authority, issued: await pemOf(certificate, keys.privateKey) };
  }

  /** One that was made before. Throws what the PEM texts make the library throw, and a TypeError where the key is that of another certificate. */
  static async open({ cert, key }: Issued): Promise<Authority> {
    // What is issued with another key nobody would accept.
    if (!new NodeCertificate(cert).checkPrivateKey(createPrivateKey(key))) {
      throw new TypeError('the key is that of another certificate');
    }
    const der = PemConverter.decodeFirst(key);
    const secret = await webcrypto.subtle.importKey('pkcs8', der, algorithm, false, ['sign']);
    return new Authority(new X509Certificate(cert), secret);
  }

  get pem(): string {
    return pemText(this.#certificate.toString('pem'));
  }

  /** A certificate for `name` (a DNS name or an address), good on both ends of a connection for `days` from `now` on. */
  async issue(name: string, days: number, now: number = Date.now()): Promise<Issued> {
    const keys = await newKeys();
    const extensions: Extension[] = [
      new BasicConstraintsExtension(false, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
      new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth, ExtendedKeyUsage.clientAuth]),
      new SubjectAlternativeNameExtension([{ type: isIP(name) === 0 ? 'dns' : 'ip', value: name }]),
      await SubjectKeyIdentifierExtension.create(keys.publicKey),
      await AuthorityKeyIdentifierExtension.create(this.#certificate.publicKey),
    ];
    const certificate = await X509CertificateGenerator.create({
      serialNumber: newSerial(),
      subject: [{ CN: [name] }],
      issuer: this.#certificate.subjectName,
      ...validFor(days, now),
      signingKey: this.#key,
      signingAlgorithm: algorithm,
      publicKey: keys.publicKey,
      extensions,
    });
    return pemOf(certificate, keys.privateKey);
  }
}

function newKeys(): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
}

/** 16 bytes, the first of which makes it a positive number (RFC 5280, 4.1.2.2). */
function newSerial(): string {
  const serial = randomBytes(16);
  serial.writeUInt8((serial.readUInt8() & 0x7f) | 0x40);
  return serial.toString('hex');
}

function validFor(
  days: number,
  now: number,
): { readonly notBefore: Date; readonly notAfter: Date } {
  return { notBefore: new Date(now - backdatedMs), notAfter: new Date(now + days * dayMs) };
}

async function pemOf(certificate: X509Certificate, key: webcrypto.CryptoKey): Promise<Issued> {
  const der = await webcrypto.subtle.exportKey('pkcs8', key);
  return {
    cert: pemText(certificate.toString('pem')),
    key: pemText(PemConverter.encode(der, PemConverter.PrivateKeyTag)),
  };
}

function pemText(pem: string): string {
  return `${pem}\n`;
}
