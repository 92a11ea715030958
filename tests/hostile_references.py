"""Files that are no videos, and files and names that point to other files or to the network."""

import os
import socket
import struct
from collections.abc import Callable
from pathlib import Path
from random import Random

import av
import numpy as np
from hostile_case import REFUSED, Case, Workshop, shows

ELF = b"\x7fELF\x02\x01\x01" + bytes(57)
PDF = b"%PDF-1.7\n1 0 obj<</Type/Catalog/OpenAction<</S/URI/URI(%b)>>>>endobj\ntrailer<<>>\n"
SRT = "1\n00:00:00,000 --> 00:00:02,000\nhello\n\n" * 20
ASS = "[Script Info]\nScriptType: v4.00+\n\n[Events]\nDialogue: 0,0:00:00.00,0:00:02.00,,hello\n"


def _text(name: str, template: str) -> Case:
    """A refused text; FILE and STREAM are a canary's paths, URL its address."""

    def make(workshop: Workshop) -> bytes:
        canary = workshop.canary
        text = template.replace("FILE", str(canary.video)).replace("STREAM", str(canary.stream))
        return text.replace("URL", canary.url).encode()

    return Case(name=name, make=make, expected=REFUSED)


def _bytes(name: str, content: bytes | Callable[[Workshop], bytes]) -> Case:
    make = content if callable(content) else lambda workshop: content
    return Case(name=name, make=make, expected=REFUSED)


def _path(name: str, path: Callable[[Workshop], Path]) -> Case:
    return Case(name=name, make=path, expected=REFUSED)


def _sound(workshop: Workshop) -> Path:
    path = workshop.folder / "sound alone.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=8000)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        sound.sample_rate = 8000
        container.mux(stream.encode(sound))
        container.mux(stream.encode(None))
    return path


def _cover_art(workshop: Workshop) -> bytes:
    """An MP3 file whose only picture is its cover."""
    picture = b"\0image/png\0\x03\0" + workshop.canary.picture
    frame = b"APIC" + struct.pack(">IH", len(picture), 0) + picture
    size = bytes(len(frame) >> shift & 0x7F for shift in (21, 14, 7, 0))
    return b"ID3\x03\0\0" + size + frame + (b"\xff\xfb\x90\x00" + bytes(413)) * 20


def _pattern(workshop: Workshop) -> Path:
    (workshop.folder / "frame002.png").write_bytes(workshop.canary.picture)
    return workshop.folder / "frame%03d.png"


def _fifo(workshop: Workshop) -> Path:
    path = workshop.folder / "pipe.mp4"
    os.mkfifo(path)
    return path


def _socket(workshop: Workshop) -> Path:
    path, here = workshop.folder / "socket.mp4", Path.cwd()
    os.chdir(workshop.folder)  # a socket's address is short
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path.name)
    os.chdir(here)
    return path


def _loop(workshop: Workshop) -> Path:
    path = workshop.folder / "loop.mp4"
    path.symlink_to(path.name)
    return path


def _dangling(workshop: Workshop) -> Path:
    path = workshop.folder / "dangling.mp4"
    path.symlink_to("nowhere.mp4")
    return path


def _folder(workshop: Workshop) -> Path:
    path = workshop.folder / "folder.mp4"
    path.mkdir()
    return path


def _unreadable(workshop: Workshop) -> Path:
    path = workshop.folder / "unreadable.mp4"
    path.write_bytes(workshop.clip("h264_mp4"))
    path.chmod(0)
    return path


def _named(name: str) -> Case:
    """A plain video under an odd name."""
    return Case(name=name, make=lambda workshop: workshop.clip("h264_mp4"), expected=shows(60))


PLAYLIST = "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:1.2,\n{}\n#EXT-X-ENDLIST\n"
MPD = (
    '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" '
    'mediaPresentationDuration="PT1S"><Period><AdaptationSet mimeType="video/mp4">'
    '<Representation id="0" codecs="avc1.64000a" bandwidth="1"><BaseURL>{}</BaseURL>'
    "</Representation></AdaptationSet></Period></MPD>"
)
ASX = '<asx version="3.0"><entry><ref href="{}"/></entry></asx>'
SDP = (
    "v=0\no=- 0 0 IN IP4 127.0.0.1\nc=IN IP4 127.0.0.1\nm=video 9 RTP/AVP 96\n"
    "a=rtpmap:96 H264/90000\n"
)

REFERENCE_CASES = (
    _bytes("empty.mp4", b""),
    _bytes("one byte.mp4", b"\0"),
    _bytes("random.mp4", Random(1).randbytes(50_000)),
    _bytes("random.ts", Random(2).randbytes(50_000)),
    _bytes("random.mkv", Random(3).randbytes(50_000)),
    _bytes("zeros.mp4", bytes(100_000)),
    _bytes("document.mp4", PDF),
    _bytes("archive.mp4", b"PK\x03\x04\x14" + bytes(25) + b"a.mp4" + bytes(40)),
    _bytes("program.mp4", ELF),
    _bytes("picture.mp4", lambda workshop: workshop.canary.picture),
    _bytes("cover.mp3", _cover_art),
    _path("sound alone.mp4", _sound),
    _text("text.mp4", "this is not a video\n" * 200),
    _text("page.mp4", '<!doctype html><video src="URL"></video><img src="file://FILE">'),
    _text("script.mp4", "#!/bin/sh\ncat FILE\n" * 30),
    _text("drawing.mp4", '<svg xmlns="http://www.w3.org/2000/svg"><image href="FILE"/></svg>'),
    _text("subtitles.mp4", SRT),
    _text("styled subtitles.mp4", ASS),
    _text("metadata.mp4", ";FFMETADATA1\ntitle=x\n"),
    _text("session.sdp", SDP),
    _text("session.mp4", SDP),
    _text("list of a file.m3u8", PLAYLIST.format("STREAM")),
    _text("list of a file.mp4", PLAYLIST.format("file://STREAM")),
    _text("list of an address.m3u8", PLAYLIST.format("URL")),
    _text("list of an address.ts", PLAYLIST.format("URL")),
    _text("list of data.m3u8", PLAYLIST.format("data:video/mp2t;base64,R0AAEAAA")),
    _text("list of a part.m3u8", PLAYLIST.format("subfile,,start,0,end,9999,,:STREAM")),
    _text("list of lists.m3u8", "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nURL\n"),
    _text("dash of a file.mpd", MPD.format("file://FILE")),
    _text("dash of an address.mpd", MPD.format("URL")),
    _text("dash.mp4", MPD.format("URL")),
    _text("concat.ffconcat", "ffconcat version 1.0\nfile FILE\n"),
    _text("concat.mp4", "ffconcat version 1.0\nfile FILE\nfile URL\n"),
    _text("concat without a head.mp4", "file FILE\n"),
    _text("edl.edl", "# mpv EDL v0\nFILE,0,2\n"),
    _text("playlist.asf", ASX.format("URL")),
    _text("reference.asf", "[Reference]\nRef1=URL\nRef2=file://FILE\n"),
    _text("stream.rm", "rtsp://127.0.0.1:9/a.rm\n"),
    _text("list.pls", "[playlist]\nFile1=URL\nNumberOfEntries=1\n"),
    _text("graph.mp4", "movie=FILE[out0]"),
    _text("script.avs", 'AviSource("FILE")\n'),
    _text("composition.xml", '<CompositionPlaylist xmlns="http://www.smpte-ra.org/x"/>'),
    _path("missing.mp4", lambda workshop: workshop.folder / "missing.mp4"),
    _path("pattern", _pattern),
    _path("address", lambda workshop: Path(workshop.canary.url)),
    _path("file address", lambda workshop: Path(workshop.canary.video.as_uri())),
    _path("concat address", lambda workshop: Path(f"concat:{workshop.canary.stream}")),
    _path("part", lambda w: Path(f"subfile,,start,0,end,0,,:{w.canary.video}")),
    _path("data address", lambda workshop: Path("data:video/mp4;base64,AAAAIGZ0eXA=")),
    _path("cached address", lambda workshop: Path(f"cache:{workshop.canary.url}")),
    _path("encrypted address", lambda workshop: Path(f"crypto:{workshop.canary.video}")),
    _path("pipe address", lambda workshop: Path("pipe:0")),
    _path("null byte", lambda workshop: Path("a\0b.mp4")),
    _path("pipe.mp4", _fifo),
    _path("socket.mp4", _socket),
    _path("device", lambda workshop: Path("/dev/zero")),
    _path("folder.mp4", _folder),
    _path("loop.mp4", _loop),
    _path("dangling.mp4", _dangling),
    Case(
        name="unreadable.mp4",
        make=_unreadable,
        expected=REFUSED if os.geteuid() else shows(60),  # nothing is unreadable to root
    ),
    _named("frame%03d.mp4"),
    _named("a\nb.mp4"),
    _named("sp ace ünï 'q' \"p\" $(x).mp4"),
    _named("http:a.mp4"),
    _named("concat:a.mp4|b.mp4"),
    _named("subfile,,start,0,end,9,,:c.mp4"),
    _named("-i.mp4"),
    _named("no suffix"),
    _named("wrong suffix.m3u8"),
    _named("\udcff\udcfe.mp4"),
)
