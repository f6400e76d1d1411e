// Jobs on stdin, one a line, tab-separated: SOURCE WIDTH HEIGHT FIT OUTPUT AT_ONCE COUNT FORMAT.
// A width and a height of 0 leave the size as it is. Where FIT is `raw`, SOURCE holds RGB pixels of that size, and FORMAT is the
// format and sharp's options for it, in JSON.
// Answers each with a line: CPU and wall time of the whole in microseconds, and by how many KiB the peak of memory grew.
import { readFileSync, writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import sharp from 'sharp';

sharp.concurrency(1);
sharp.cache(false);

const status = (name) => Number(readFileSync('/proc/self/status', 'utf8').match(new RegExp(`${name}:\\s+(\\d+)`))[1]);
const sources = new Map();

console.log(`sharp ${sharp.versions.sharp}, libvips ${sharp.versions.vips}, Node ${process.versions.node}`);
for await (const line of createInterface({ input: process.stdin })) {
  const [source, width, height, fit, output, atOnce, count, format] = line.split('\t');
  if (!sources.has(source)) {
    sources.clear();
    sources.set(source, readFileSync(source));
  }
  const size = { width: Number(width) || undefined, height: Number(height) || undefined, fit };
  const raw = { width: size.width, height: size.height, channels: 3 };
  const one = () => {
    if (fit === 'raw') return sharp(sources.get(source), { raw }).toFormat(...JSON.parse(format)).toBuffer();
    const picture = sharp(sources.get(source)).autoOrient();
    const sized = size.width || size.height ? picture.resize(size) : picture;
    return (format === 'Source' ? sized : sized.toFormat(format.toLowerCase())).toBuffer();
  };

  writeFileSync('/proc/self/clear_refs', '5');
  const before = status('VmRSS');
  const cpu = process.cpuUsage();
  const start = process.hrtime.bigint();
  let left = Number(count);
  let last;
  const worker = async () => { while (left-- > 0) last = await one(); };
  await Promise.all(Array.from({ length: Number(atOnce) }, worker));
  const wall = process.hrtime.bigint() - start;
  const used = process.cpuUsage(cpu);
  const peak = Math.max(0, status('VmHWM') - before);
  writeFileSync(output, last);
  console.log([used.user + used.system, wall / 1000n, peak].join('\t'));
}
