"""The methods of the wire on one channel, each with its messages' types."""

import grpc

from wire.contract import SERVICE
from wire.framing import data_unpack
from wire.proto.savepoint.sidecar.v1 import sidecar_pb2 as wire


def _path(method: str) -> str:
    return f"/{SERVICE}/{method}"


def _content(message: bytes) -> bytes:
    data = data_unpack(field=wire.ReadFileReply.DATA_FIELD_NUMBER, message=message)
    return wire.ReadFileReply.FromString(message).data if data is None else bytes(data)


class Methods:
    """The calls of the wire.

    File content bypasses the generated code: `read_file` returns raw bytes, `read_tree` serialized replies;
    `write_file`, `preview_restore` and `restore_tree` take serialized requests.
    """

    def __init__(self, channel: grpc.Channel) -> None:
        self.describe: grpc.UnaryUnaryMultiCallable[wire.DescribeRequest, wire.DescribeReply] = channel.unary_unary(
            _path("Describe"), wire.DescribeRequest.SerializeToString, wire.DescribeReply.FromString
        )
        self.compress_files: grpc.UnaryStreamMultiCallable[wire.CompressFilesRequest, wire.CompressFilesReply] = (
            channel.unary_stream(
                _path("CompressFiles"),
                wire.CompressFilesRequest.SerializeToString,
                wire.CompressFilesReply.FromString,
            )
        )
        self.read_file: grpc.UnaryStreamMultiCallable[wire.ReadFileRequest, bytes] = channel.unary_stream(
            _path("ReadFile"), wire.ReadFileRequest.SerializeToString, _content
        )
        self.write_file: grpc.StreamUnaryMultiCallable[bytes, wire.WriteFileReply] = channel.stream_unary(
            _path("WriteFile"), None, wire.WriteFileReply.FromString
        )
        self.delete_file: grpc.UnaryUnaryMultiCallable[wire.DeleteFileRequest, wire.DeleteFileReply] = (
            channel.unary_unary(
                _path("DeleteFile"), wire.DeleteFileRequest.SerializeToString, wire.DeleteFileReply.FromString
            )
        )
        self.extract_to: grpc.UnaryStreamMultiCallable[wire.ExtractToRequest, wire.ExtractToReply] = (
            channel.unary_stream(
                _path("ExtractTo"), wire.ExtractToRequest.SerializeToString, wire.ExtractToReply.FromString
            )
        )
        self.restore_tree: grpc.StreamStreamMultiCallable[bytes, wire.RestoreTreeReply] = channel.stream_stream(
            _path("RestoreTree"), None, wire.RestoreTreeReply.FromString
        )
        self.get_extract_outcome: grpc.UnaryUnaryMultiCallable[
            wire.GetExtractOutcomeRequest, wire.GetExtractOutcomeReply
        ] = channel.unary_unary(
            _path("GetExtractOutcome"),
            wire.GetExtractOutcomeRequest.SerializeToString,
            wire.GetExtractOutcomeReply.FromString,
        )
        self.release_extract: grpc.UnaryUnaryMultiCallable[wire.ReleaseExtractRequest, wire.ReleaseExtractReply] = (
            channel.unary_unary(
                _path("ReleaseExtract"),
                wire.ReleaseExtractRequest.SerializeToString,
                wire.ReleaseExtractReply.FromString,
            )
        )
        self.remove_volume: grpc.UnaryUnaryMultiCallable[wire.RemoveVolumeRequest, wire.RemoveVolumeReply] = (
            channel.unary_unary(
                _path("RemoveVolume"), wire.RemoveVolumeRequest.SerializeToString, wire.RemoveVolumeReply.FromString
            )
        )
        self.preview_restore: grpc.StreamUnaryMultiCallable[bytes, wire.PreviewRestoreReply] = channel.stream_unary(
            _path("PreviewRestore"), None, wire.PreviewRestoreReply.FromString
        )
        self.estimate_backup: grpc.UnaryUnaryMultiCallable[wire.EstimateBackupRequest, wire.EstimateBackupReply] = (
            channel.unary_unary(
                _path("EstimateBackup"),
                wire.EstimateBackupRequest.SerializeToString,
                wire.EstimateBackupReply.FromString,
            )
        )
        self.scan_tree: grpc.UnaryStreamMultiCallable[wire.ScanTreeRequest, wire.ScanTreeReply] = channel.unary_stream(
            _path("ScanTree"), wire.ScanTreeRequest.SerializeToString, wire.ScanTreeReply.FromString
        )
        self.read_tree: grpc.StreamStreamMultiCallable[wire.ReadTreeRequest, bytes] = channel.stream_stream(
            _path("ReadTree"), wire.ReadTreeRequest.SerializeToString, None
        )
        self.commit_tree: grpc.UnaryUnaryMultiCallable[wire.CommitTreeRequest, wire.CommitTreeReply] = (
            channel.unary_unary(
                _path("CommitTree"), wire.CommitTreeRequest.SerializeToString, wire.CommitTreeReply.FromString
            )
        )
        self.look_tree: grpc.UnaryUnaryMultiCallable[wire.LookTreeRequest, wire.LookTreeReply] = channel.unary_unary(
            _path("LookTree"), wire.LookTreeRequest.SerializeToString, wire.LookTreeReply.FromString
        )
        self.request_certificate: grpc.UnaryUnaryMultiCallable[
            wire.RequestCertificateRequest, wire.RequestCertificateReply
        ] = channel.unary_unary(
            _path("RequestCertificate"),
            wire.RequestCertificateRequest.SerializeToString,
            wire.RequestCertificateReply.FromString,
        )
        self.install_certificate: grpc.UnaryUnaryMultiCallable[
            wire.InstallCertificateRequest, wire.InstallCertificateReply
        ] = channel.unary_unary(
            _path("InstallCertificate"),
            wire.InstallCertificateRequest.SerializeToString,
            wire.InstallCertificateReply.FromString,
        )
