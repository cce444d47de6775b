//! Learns the addresses of known hosts from DNS answers, before the app sees them (RFC 1035, section 4).

use crate::maps::{HOSTS, LEARNED, QUESTION, Question, count};
use aya_ebpf::bindings::__sk_buff;
use aya_ebpf::helpers::generated::{bpf_ktime_get_ns, bpf_skb_load_bytes};
use aya_ebpf::programs::SkBuffContext;
use gateway_ebpf::{
    Counter, Ip, LEARNED_AT_LEAST_SECONDS, LEARNED_AT_MOST_SECONDS, Learned, NAME_BYTES, lower,
};

const DNS_PORT: u16 = 53;
const IPPROTO_TCP: u8 = 6;
const IPPROTO_UDP: u8 = 17;
const TYPE_A: u16 = 1;
const TYPE_AAAA: u16 = 28;
const CLASS_IN: u16 = 1;
/// Most labels of a name looked at; a deeper name is not learned.
const MAX_LABELS: usize = 16;
/// Most answers of one message looked at, CNAMEs included.
const MAX_ANSWERS: usize = 24;

/// Looks at one incoming packet of the cgroup; never drops it.
#[inline(always)]
pub fn ingress(ctx: &SkBuffContext) {
    let _ = learn(ctx.skb.skb);
}

#[inline(always)]
fn learn(skb: *mut __sk_buff) -> Option<()> {
    let message = message_offset(skb)?;
    let head: [u8; 12] = load(skb, message)?;
    let is_answer = head[2] & 0x80 != 0 && head[3] & 0x0f == 0;
    let questions = u16::from_be_bytes([head[4], head[5]]);
    let answers = u16::from_be_bytes([head[6], head[7]]);
    if !is_answer || questions != 1 || answers == 0 {
        return None;
    }
    let (pattern, name_bytes) = known_question(skb, message + 12)?;
    learn_answers(skb, message + 12 + name_bytes + 4, answers, pattern)
}

/// Where the DNS message of this packet starts; none if it does not come from port 53. A message over TCP is seen
/// when it stands in one segment with its two length bytes, as servers send it.
#[inline(always)]
fn message_offset(skb: *mut __sk_buff) -> Option<u32> {
    // One look settles it for IPv4 without options, which nearly every packet is; none with a port is shorter.
    let head: [u8; 24] = load(skb, 0)?;
    let (protocol, transport) = if head[0] >> 4 == 4 {
        let fragment = u16::from_be_bytes([head[6], head[7]]) & 0x1fff;
        if fragment != 0 {
            return None;
        }
        (head[9], (head[0] & 0x0f) as u32 * 4)
    } else {
        (head[6], 40)
    };
    if protocol != IPPROTO_UDP && protocol != IPPROTO_TCP {
        return None;
    }
    let port = if transport == 20 { [head[20], head[21]] } else { load(skb, transport)? };
    if u16::from_be_bytes(port) != DNS_PORT {
        return None;
    }
    if protocol == IPPROTO_UDP {
        return Some(transport + 8);
    }
    let [offset]: [u8; 1] = load(skb, transport + 12)?;
    Some(transport + (offset >> 4) as u32 * 4 + 2)
}

/// The number of the known pattern the question's name matches, and the length of the name on the wire.
#[inline(always)]
fn known_question(skb: *mut __sk_buff, at: u32) -> Option<(u64, u32)> {
    let question = QUESTION.get_ptr_mut(0)?;
    // SAFETY: the slot belongs to this CPU for the run of the program.
    let question = unsafe { &mut *question };
    load_name(skb, at, question)?;
    reverse_name(question);
    let pattern = HOSTS.get(&question.key)?;
    Some((*pattern, forgotten(&question.end) + 1))
}

/// Reads the name with every length byte replaced by a dot, the first by a zero.
#[inline(always)]
fn load_name(skb: *mut __sk_buff, at: u32, question: &mut Question) -> Option<()> {
    // SAFETY: the kernel hands every program a valid context.
    let rest = unsafe { (*skb).len }.checked_sub(at)?.min(NAME_BYTES as u32);
    // The verifier loses the bound of `min` on its way to the helper; the compiler must not drop the mask.
    let bytes = core::hint::black_box(rest) & 0xff;
    if bytes == 0 {
        return None;
    }
    // SAFETY: `bytes` is at most the size of `wire`.
    if unsafe { bpf_skb_load_bytes(skb.cast(), at, question.wire.as_mut_ptr().cast(), bytes) } != 0 {
        return None;
    }
    let mut index = 0usize;
    for _ in 0..MAX_LABELS {
        let length = question.wire[index & 0xff] as usize;
        if length == 0 || length > 63 || index >= NAME_BYTES {
            break;
        }
        question.wire[index & 0xff] = b'.';
        index += length + 1;
    }
    let is_whole = index > 0 && index < NAME_BYTES && question.wire[index & 0xff] == 0;
    question.wire[0] = 0;
    question.end = index as u32;
    is_whole.then_some(())
}

/// Writes the name from its end to its start, in lower case, into the key.
#[inline(always)]
fn reverse_name(question: &mut Question) {
    let end = forgotten(&question.end);
    for step in 0..NAME_BYTES as u32 {
        let index = (end.wrapping_sub(step + 1)) & 0xff;
        let byte = if step < end { lower(question.wire[index as usize]) } else { 0 };
        question.key.data.bytes[step as usize] = byte;
    }
    question.key.prefix_len = end * 8;
}

/// A number read back from a map, of which the verifier knows nothing any more: it then looks at what follows once,
/// and not once for each way the value came about.
#[inline(always)]
fn forgotten(number: &u32) -> u32 {
    // SAFETY: a reference is valid to read.
    unsafe { core::ptr::read_volatile(number) }
}

/// Stores every address of the answer section; whatever name owns it, it came as an answer to the known name.
#[inline(always)]
fn learn_answers(skb: *mut __sk_buff, mut at: u32, answers: u16, pattern: u64) -> Option<()> {
    for answer in 0..MAX_ANSWERS {
        if answer >= answers as usize {
            break;
        }
        at = skip_name(skb, at)?;
        let head: [u8; 10] = load(skb, at)?;
        at += 10;
        let kind = u16::from_be_bytes([head[0], head[1]]);
        let class = u16::from_be_bytes([head[2], head[3]]);
        let seconds = u32::from_be_bytes([head[4], head[5], head[6], head[7]]);
        let length = u16::from_be_bytes([head[8], head[9]]);
        if class == CLASS_IN && kind == TYPE_A && length == 4 {
            remember(Ip::v4(load(skb, at)?), seconds, pattern);
        } else if class == CLASS_IN && kind == TYPE_AAAA && length == 16 {
            remember(Ip(load(skb, at)?), seconds, pattern);
        }
        at += length as u32;
    }
    Some(())
}

/// Where the bytes after a possibly compressed name start (RFC 1035, section 4.1.4).
#[inline(always)]
fn skip_name(skb: *mut __sk_buff, mut at: u32) -> Option<u32> {
    for _ in 0..MAX_LABELS {
        let [length]: [u8; 1] = load(skb, at)?;
        if length == 0 {
            return Some(at + 1);
        }
        if length >= 0xc0 {
            return Some(at + 2);
        }
        at += length as u32 + 1;
    }
    None
}

#[inline(always)]
fn remember(ip: Ip, seconds: u32, pattern: u64) {
    let seconds = (seconds as u64).clamp(LEARNED_AT_LEAST_SECONDS, LEARNED_AT_MOST_SECONDS);
    // SAFETY: the helper takes nothing.
    let until = unsafe { bpf_ktime_get_ns() } + seconds * 1_000_000_000;
    if LEARNED.insert(ip, Learned { until, pattern }, 0).is_ok() {
        count(Counter::Learned);
    }
}

#[inline(always)]
fn load<T: Copy>(skb: *mut __sk_buff, at: u32) -> Option<T> {
    let mut value = core::mem::MaybeUninit::<T>::uninit();
    // SAFETY: the helper writes exactly the given size or fails; only plain integers and arrays are loaded here.
    unsafe {
        let failed = bpf_skb_load_bytes(skb.cast(), at, value.as_mut_ptr().cast(), size_of::<T>() as u32);
        (failed == 0).then(|| value.assume_init())
    }
}
