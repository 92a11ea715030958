"""Which decoders can be told to drop pictures that no other picture refers to.

FFmpeg's decoders drop such a picture (`skip_frame=NONREF`) by what its own header says, before they
decode it; everything else comes out identical to the bit. In HEVC the header speaks of the
picture's own temporal layer alone (ITU-T H.265 §7.4.2.2), and a higher layer may well refer to it:
there it is only believed of streams that have a single layer.
"""

import av

_HEADERS_TELL = frozenset({"h264", "mpeg4", "mpeg2video", "mpeg1video", "vc1", "vp8"})
_RECORD_LAYERS_BYTE = 21  # of an HEVCDecoderConfigurationRecord (ISO/IEC 14496-15 §8.3.3.1)
_VPS_NAL_TYPE = 32
_START_CODE = b"\0\0\1"


def tells_non_reference(context: av.VideoCodecContext) -> bool:
    """Whether pictures without reference may be dropped from what this context decodes."""
    if context.name == "hevc":
        return _hevc_layers(context.extradata or b"") == 1
    return context.name in _HEADERS_TELL


def _hevc_layers(parameters: bytes) -> int:
    """Temporal layers of an HEVC stream by its parameter sets; 0 where they do not say."""
    if parameters[:1] == b"\1" and len(parameters) > _RECORD_LAYERS_BYTE:
        return parameters[_RECORD_LAYERS_BYTE] >> 3 & 7
    for unit in parameters.split(_START_CODE):
        if len(unit) > 3 and unit[0] >> 1 & 63 == _VPS_NAL_TYPE:
            return (unit[3] >> 1 & 7) + 1  # vps_max_sub_layers_minus1
    return 0
