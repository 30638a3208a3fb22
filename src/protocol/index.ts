export { type DecodedFrame, decodeMessage } from './decode.js';
export { encodeMessage } from './encode.js';
export { Framer } from './framer.js';
export {
  type Checksum,
  checkBody,
  type FrameFields,
  type FrameHeader,
  type FrameOrder,
  frameFlag,
  readHeader,
  sealFrame,
} from './header.js';
export * from './limits.js';
export * from './messages.js';
export { negotiateVersion, oldestVersion, protocolVersion } from './version.js';
