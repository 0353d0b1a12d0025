"""A plugin of protoc's protocol around grpcio-tools, which has protoc and its Python generators, but only as a whole.

It reads a CodeGeneratorRequest from stdin, lets protoc write messages, their types (.pyi) and service stubs into a
temporary directory, and answers with these files. Absolute imports are rewritten on the way: generated code lives
inside of the package, where `chordstate` is the client and not the root of the protos.
"""

import re
import sys
import tempfile
from pathlib import Path

from google.protobuf.compiler.plugin_pb2 import CodeGeneratorRequest, CodeGeneratorResponse
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from grpc_tools import protoc

PACKAGE = "chordstate._gen"


def main() -> None:
    request = CodeGeneratorRequest.FromString(sys.stdin.buffer.read())
    response = CodeGeneratorResponse(supported_features=CodeGeneratorResponse.FEATURE_PROTO3_OPTIONAL)
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        run_protoc(request, directory)
        packages: set[Path] = set()
        for path in sorted(directory.rglob("*_pb2*.py*")):
            relative = path.relative_to(directory)
            content = path.read_text()
            if path.name.endswith("_grpc.py") and "\nclass " not in content:
                continue  # a file without services
            packages.update(relative.parents)
            response.file.add(name=relative.as_posix(), content=rewritten(content))
        for package in sorted(packages):
            response.file.add(name=(package / "__init__.py").as_posix(), content="")
    sys.stdout.buffer.write(response.SerializeToString())


def run_protoc(request: CodeGeneratorRequest, directory: Path) -> None:
    descriptors = directory / "descriptors.binpb"
    descriptors.write_bytes(FileDescriptorSet(file=request.proto_file).SerializeToString())
    outputs = [f"--{kind}_out={directory}" for kind in ("python", "pyi", "grpc_python")]
    status = protoc.main(["protoc", f"--descriptor_set_in={descriptors}", *outputs, *request.file_to_generate])
    if status != 0:
        raise SystemExit(status)


def rewritten(content: str) -> str:
    content = re.sub(r"^from chord\.", f"from {PACKAGE}.chord.", content, flags=re.MULTILINE)
    return content.replace("Messages(DESCRIPTOR, 'chord.", f"Messages(DESCRIPTOR, '{PACKAGE}.chord.")


main()
