"""The download, held to a real HTTP server on the loopback that answers like CKAN, well and badly."""

import csv
import io
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from click.testing import CliRunner

import premises
from premises.census import download
from premises.census.download import PUBLISHED_FILES, CensusDownloadError, PublishedFile, download_census, main
from premises.census.origin import is_synthetic_file, note_beside, write_note

WAIT_SECONDS = 10.0
STALL_TIMEOUT_SECONDS = 0.3
API_PATH = "/api/3/action/package_show"
FILE_PATH = "/download/census.csv"
RESOURCE_ID = "e6e7610c-0000-4000-8000-000000000000"
CENSUS = 'ID_BCN,N_LOCAL,LATITUD\n1,"Forn, pa",41.4\n2,Bar Pepe,41.5\n3,Farmàcia,41.6\n'.encode()
KNOWN_BLOB = "562cc08628c4099b38d6895055118f9f1d909987"  # what `git hash-object` says of CENSUS
VINTAGE = PublishedFile(
    package="cens-locals",
    resource_prefix="e6e7610c",
    file="census.csv",
    columns=("ID_BCN", "N_LOCAL", "LATITUD"),
    rows=3,
    git_blobs=frozenset({KNOWN_BLOB}),
)
CAPTCHA = b"<!DOCTYPE html><html><body>Prove that you are human</body></html>"


def reply(body, status=200, content_type="text/csv", length=None, **headers):
    """An answer; a `length` larger than the body makes it a short one, as the connection closes after it."""

    def answer(handler):
        handler.send_response(status)
        handler.send_header("Content-Type", content_type)
        handler.send_header("Content-Length", str(len(body) if length is None else length))
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def reply_json(content, status=200):
    return reply(json.dumps(content).encode(), status, "application/json")


class Portal(ThreadingHTTPServer):
    """A CKAN portal with one package; `answers` says what each path answers, `asked` which paths were asked for."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), PortalHandler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.asked = []
        self.stopping = threading.Event()
        self.answers = {FILE_PATH: reply(CENSUS)}
        self.publish(
            {"id": "2f2c1e5a", "name": "2019_census.csv", "format": "CSV", "url": f"{self.url}/other"},
            {"id": RESOURCE_ID, "name": "2016_census.csv", "format": "CSV", "url": f"{self.url}{FILE_PATH}"},
            {"id": "77aa", "name": "codes", "format": "XLSX", "url": f"{self.url}/codes"},
        )

    def publish(self, *resources):
        self.answers[API_PATH] = reply_json({"success": True, "result": {"resources": list(resources)}})

    def handle_error(self, request, client_address):
        """A client that hangs up is part of these tests: no traceback."""

    def stall_after(self, body, length):
        def answer(handler):
            reply(body, length=length)(handler)
            handler.wfile.flush()
            self.stopping.wait(WAIT_SECONDS)

        return answer


class PortalHandler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.asked.append(self.path)
        not_found = {"success": False, "error": {"__type": "Not Found Error", "message": "Not found"}}
        self.server.answers.get(urlsplit(self.path).path, reply_json(not_found, 404))(self)

    def log_message(self, *_):
        pass


@pytest.fixture
def portal(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with Portal() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.stopping.set()
        server.shutdown()
        thread.join()


@pytest.fixture
def target(tmp_path):
    return tmp_path / "data" / "01_raw" / "census.csv"


@pytest.fixture(scope="module")
def full_census():
    """As many rows and columns as the census of 2016, and nothing of its content."""
    text = io.StringIO()
    writer = csv.writer(text)
    columns = PUBLISHED_FILES[2016].columns
    writer.writerow(columns)
    writer.writerows([number, *["x"] * (len(columns) - 1)] for number in range(PUBLISHED_FILES[2016].rows))
    return text.getvalue().encode()


def assert_refused(portal, target, *parts, vintage=VINTAGE, timeout_seconds=WAIT_SECONDS):
    """The download fails with a message that holds every part, and leaves nothing behind."""
    with pytest.raises(CensusDownloadError) as refusal:
        download_census(vintage, target, portal.url, timeout_seconds)
    assert [part for part in parts if part not in refusal.value.message] == []
    assert not target.parent.is_dir() or list(target.parent.iterdir()) == []


def test_a_known_copy_is_downloaded_and_called_verified(portal, target, capsys):
    assert download_census(VINTAGE, target, portal.url + "/") == target
    assert target.read_bytes() == CENSUS
    assert list(target.parent.iterdir()) == [target]
    assert portal.asked == [f"{API_PATH}?id=cens-locals", FILE_PATH]
    said = capsys.readouterr()
    assert f"{target}: 3 rows, 3 columns, a verified copy (git blob {KNOWN_BLOB})." in said.out
    assert "census.csv" in said.err  # the progress bar
    assert "Warning" not in said.err


def test_a_copy_of_the_right_shape_with_an_unknown_hash_is_kept_with_a_warning(portal, target, capsys):
    portal.answers[FILE_PATH] = reply(CENSUS.replace(b"Pepe", b"Lola"))
    download_census(VINTAGE, target, portal.url)
    assert b"Lola" in target.read_bytes()
    assert "unknown hash (git blob " in capsys.readouterr().err


def test_a_known_copy_is_believed_whatever_its_number_of_rows(portal, target):
    download_census(replace(VINTAGE, rows=2), target, portal.url)
    assert target.exists()


def test_a_byte_order_mark_and_blank_lines_are_no_part_of_the_census(portal, target):
    portal.answers[FILE_PATH] = reply(b"\xef\xbb\xbf" + CENSUS + b"\n\n")
    assert download_census(VINTAGE, target, portal.url).exists()


def test_the_file_is_asked_for_uncompressed_so_that_its_length_is_known(portal, target):
    def answer(handler):
        encodings.append(handler.headers["Accept-Encoding"])
        reply(CENSUS)(handler)

    encodings = []
    portal.answers[FILE_PATH] = answer
    download_census(VINTAGE, target, portal.url)
    assert encodings == ["identity"]


def test_a_redirect_is_followed(portal, target):
    portal.answers[FILE_PATH] = reply(b"", 302, Location="/moved.csv")
    portal.answers["/moved.csv"] = reply(CENSUS)
    assert download_census(VINTAGE, target, portal.url).read_bytes() == CENSUS


def test_a_redirect_to_anything_but_http_is_refused(portal, target):
    portal.answers[FILE_PATH] = reply(b"", 302, Location="file:///etc/hostname")
    assert_refused(portal, target, FILE_PATH, "can't be fetched: No connection adapters were found")


def test_a_body_of_unstated_length_is_read_to_its_end(portal, target):
    def without_length(handler):
        handler.send_response(200)
        handler.end_headers()
        handler.wfile.write(CENSUS)

    portal.answers[FILE_PATH] = without_length
    assert download_census(VINTAGE, target, portal.url).read_bytes() == CENSUS


def test_an_unknown_package_is_an_error_that_names_the_address(portal, target):
    vintage = replace(VINTAGE, package="gone")
    del portal.answers[API_PATH]
    assert_refused(portal, target, f"{API_PATH}?id=gone answered 404", "has moved", "By hand: open", vintage=vintage)


def test_a_refusal_by_ckan_gives_its_reason(portal, target):
    portal.answers[API_PATH] = reply_json({"success": False, "error": {"message": "Access denied"}})
    assert_refused(portal, target, API_PATH, "refused: {'message': 'Access denied'}")


@pytest.mark.parametrize(
    "body",
    [b'{"data": []}', b'{"success": true}', b'{"success": true, "result": {}}', b"[1, 2]", b"not JSON", b"",
     b'{"success": true, "result": {"resources": ["census.csv"]}}'],
)  # fmt: skip
def test_a_changed_api_is_told_from_other_errors(portal, target, body):
    portal.answers[API_PATH] = reply(body, content_type="application/json")
    assert_refused(portal, target, "did not answer as CKAN's package_show does", "API has changed")


def test_a_missing_resource_is_reported_with_the_csv_resources_there_are(portal, target):
    vintage = replace(VINTAGE, resource_prefix="00000000")
    found = f"Its CSV resources are: 2019_census.csv (2f2c1e5a), 2016_census.csv ({RESOURCE_ID})."
    assert_refused(portal, target, "begins 00000000", found, vintage=vintage)


@pytest.mark.parametrize("path", [API_PATH, FILE_PATH])
@pytest.mark.parametrize(
    ("content_type", "body"), [("text/html; charset=utf-8", b"Prove that you are human"), ("text/csv", CAPTCHA)]
)
def test_a_captcha_page_is_told_from_data(portal, target, path, content_type, body):
    portal.answers[path] = reply(body, content_type=content_type)
    by_hand = f"By hand: open {portal.url}/dataset/cens-locals in a browser, and save census.csv as {target}."
    assert_refused(portal, target, path, "a web page", "captcha", by_hand)


@pytest.mark.parametrize("path", [API_PATH, FILE_PATH])
@pytest.mark.parametrize(
    ("status", "advice"), [(403, "captcha"), (429, "wait some minutes"), (500, "out of order"), (503, "out of order")]
)
def test_an_error_status_is_reported_with_advice(portal, target, path, status, advice):
    portal.answers[path] = reply(CAPTCHA, status, "text/html")
    assert_refused(portal, target, path, f"answered {status} ", advice)


def test_a_connection_cut_before_the_stated_length_is_a_short_file(portal, target):
    portal.answers[FILE_PATH] = reply(CENSUS, length=5000)
    assert_refused(portal, target, FILE_PATH, f"was cut short: {len(CENSUS)} bytes came of 5,000")


def test_a_connection_cut_between_chunks_is_a_short_file(portal, target):
    def one_chunk(handler):
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        handler.wfile.write(b"%x\r\n%s\r\n" % (len(CENSUS), CENSUS))

    portal.answers[FILE_PATH] = one_chunk
    assert_refused(portal, target, f"was cut short: {len(CENSUS)} bytes came of an unstated number")


def test_fewer_rows_than_the_census_has_are_a_short_file(portal, target):
    portal.answers[FILE_PATH] = reply(CENSUS[: CENSUS.index(b"3,")])
    assert_refused(portal, target, "census.csv: a short file: 2 rows came, the census has 3")


def test_more_rows_than_the_census_has_are_refused(portal, target):
    portal.answers[FILE_PATH] = reply(CENSUS + b"4,Quiosc,41.7\n")
    assert_refused(portal, target, "census.csv: too many rows: 4 rows came, the census has 3")


def test_a_body_larger_than_any_census_is_refused(portal, target, monkeypatch):
    monkeypatch.setattr(download, "FILE_LIMIT_BYTES", len(CENSUS) - 1)
    assert_refused(portal, target, FILE_PATH, f"sends more than {len(CENSUS) - 1} bytes")


@pytest.mark.parametrize("path", [API_PATH, FILE_PATH])
def test_a_server_that_stalls_is_given_up_at_the_time_out(portal, target, path):
    portal.answers[path] = lambda _: portal.stopping.wait(WAIT_SECONDS)
    assert_refused(portal, target, path, "sent nothing for 0.3 seconds", timeout_seconds=STALL_TIMEOUT_SECONDS)


def test_a_server_that_stalls_in_the_middle_of_the_file_is_given_up_at_the_time_out(portal, target):
    portal.answers[FILE_PATH] = portal.stall_after(CENSUS, 5000)
    assert_refused(portal, target, "sent nothing for 0.3 seconds", timeout_seconds=STALL_TIMEOUT_SECONDS)


def test_a_portal_that_is_not_there_is_an_error(portal, target):
    with socket.create_server(("127.0.0.1", 0)) as closed_soon:
        portal.url = f"http://127.0.0.1:{closed_soon.getsockname()[1]}"
    assert_refused(portal, target, "can't be fetched", "Connection refused", "Check the network and --portal")


def test_wrong_columns_are_named(portal, target):
    portal.answers[FILE_PATH] = reply(CENSUS.replace(b"N_LOCAL,LATITUD", b"Nom,LATITUD,Extra"))
    assert_refused(portal, target, "1 of 3 columns are missing: N_LOCAL. 2 are not expected: Nom, Extra.")


def test_columns_in_another_order_are_refused(portal, target):
    portal.answers[FILE_PATH] = reply(CENSUS.replace(b"N_LOCAL,LATITUD", b"LATITUD,N_LOCAL"))
    assert_refused(portal, target, "census.csv: The columns are in another order, or repeated.")


def test_the_file_of_another_vintage_is_recognised(portal, target):
    portal.answers[FILE_PATH] = reply(b"ID_Global,Codi_Activitat_2022,Codi_Activitat_2016\n")
    assert_refused(portal, target, "ID_Global", "This looks like the 2022 file.")


def test_a_row_with_a_field_too_few_is_reported_with_its_line(portal, target):
    portal.answers[FILE_PATH] = reply(CENSUS.replace(b"Bar Pepe,", b""))
    assert_refused(portal, target, "census.csv, line 3: 2 fields where there should be 3")


@pytest.mark.parametrize("body", [CENSUS.decode().encode("utf-16"), CENSUS.decode().encode("latin-1"),
                                  CENSUS + b'4,"' + b"x" * (csv.field_size_limit() + 1) + b'",1\n'])  # fmt: skip
def test_a_file_that_is_not_a_utf_8_csv_is_refused(portal, target, body):
    portal.answers[FILE_PATH] = reply(body)
    assert_refused(portal, target, "census.csv is not a UTF-8 CSV")


def test_an_empty_file_is_refused(portal, target):
    portal.answers[FILE_PATH] = reply(b"")
    assert_refused(portal, target, "3 of 3 columns are missing")


def test_a_known_copy_that_is_there_already_is_kept_without_a_request(portal, target, capsys):
    target.parent.mkdir(parents=True)
    target.write_bytes(CENSUS)
    assert download_census(VINTAGE, target, portal.url) == target
    assert "already there, a verified copy: nothing to download." in capsys.readouterr().out
    assert portal.asked == []


def generate(target):
    """A synthetic census and its note, as `synthetic_census` leaves them."""
    target.parent.mkdir(parents=True)
    target.write_bytes(CENSUS.replace(b"Bar Pepe", b"MOSTRA 2"))
    write_note(target, note_beside(target), rows=3)
    assert is_synthetic_file(target)


def test_a_synthetic_census_gives_way_and_its_note_goes_with_it(portal, target, capsys):
    generate(target)
    download_census(VINTAGE, target, portal.url)
    assert target.read_bytes() == CENSUS
    assert list(target.parent.iterdir()) == [target]
    assert f"{target} was a synthetic census: the published census replaces it." in capsys.readouterr().out


def test_a_synthetic_census_stays_one_when_the_download_fails(portal, target):
    generate(target)
    portal.answers[FILE_PATH] = reply(CENSUS, length=5000)
    with pytest.raises(CensusDownloadError, match="cut short"):
        download_census(VINTAGE, target, portal.url)
    assert is_synthetic_file(target)
    assert set(target.parent.iterdir()) == {target, note_beside(target)}


def test_a_synthetic_census_that_somebody_changed_is_left_alone(portal, target):
    generate(target)
    target.write_bytes(target.read_bytes() + b"4,Mine,41.7\n")
    with pytest.raises(CensusDownloadError, match="Move it away"):
        download_census(VINTAGE, target, portal.url)
    assert b"Mine" in target.read_bytes()
    assert portal.asked == []


def test_the_note_of_a_synthetic_census_does_not_stay_beside_a_known_copy_saved_by_hand(portal, target):
    generate(target)
    target.write_bytes(CENSUS)
    download_census(VINTAGE, target, portal.url)
    assert list(target.parent.iterdir()) == [target]
    assert portal.asked == []


def test_a_file_of_somebody_else_is_left_alone_and_no_request_is_made(portal, target):
    target.parent.mkdir(parents=True)
    target.write_bytes(b"my notes")
    with pytest.raises(CensusDownloadError, match="Move it away"):
        download_census(VINTAGE, target, portal.url)
    assert target.read_bytes() == b"my notes"
    assert portal.asked == []


@pytest.mark.parametrize("make", [Path.mkdir, lambda path: path.symlink_to("nowhere")])
def test_a_folder_or_a_broken_link_in_the_place_is_left_alone(portal, target, make):
    target.parent.mkdir(parents=True)
    make(target)
    with pytest.raises(CensusDownloadError, match="Move it away"):
        download_census(VINTAGE, target, portal.url)
    assert os.path.lexists(target)
    assert portal.asked == []


def test_a_file_that_came_to_the_place_during_the_download_is_left_alone(portal, target):
    def answer(handler):
        target.write_bytes(b"saved by a browser")
        reply(CENSUS)(handler)

    portal.answers[FILE_PATH] = answer
    with pytest.raises(CensusDownloadError, match="Move it away"):
        download_census(VINTAGE, target, portal.url)
    assert target.read_bytes() == b"saved by a browser"
    assert list(target.parent.iterdir()) == [target]


def test_a_place_that_can_not_be_written_is_an_error_that_says_so(portal, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(CensusDownloadError, match=r"can't be written: .* give another place by --to"):
        download_census(VINTAGE, tmp_path / "file" / "census.csv", portal.url)


def test_the_command_refuses_a_vintage_that_is_not_wired_and_says_which_are():
    outcome = CliRunner().invoke(main, ["--vintage", "2019"])
    assert outcome.exit_code == 2
    assert "'2019' is not '2016'" in outcome.output


def test_the_command_downloads_a_census_of_full_size(portal, tmp_path, full_census):
    portal.answers[FILE_PATH] = reply(full_census)
    target = tmp_path / "census.csv"
    outcome = CliRunner().invoke(main, ["--to", str(target), "--portal", portal.url])
    assert outcome.exit_code == 0
    assert target.read_bytes() == full_census
    assert f"{target}: 78,033 rows, 34 columns, not a copy known so far" in outcome.stdout
    assert "Source of the data: Barcelona City Council (CC BY 4.0).\nNext: make run" in outcome.stdout


def test_the_command_reports_an_error_without_a_traceback(portal, tmp_path):
    portal.answers[API_PATH] = reply(CAPTCHA, content_type="text/html")
    outcome = CliRunner().invoke(main, ["--to", str(tmp_path / "census.csv"), "--portal", portal.url])
    assert outcome.exit_code == 1
    assert outcome.stderr.startswith("Error: http://127.0.0.1:")
    assert "Traceback" not in outcome.output


def start_command(portal, folder):
    """The command as a person starts it in the project's folder, but on the local portal."""
    return subprocess.Popen(
        [sys.executable, "-m", "premises.census.download", "--portal", portal.url],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(Path(premises.__file__).parents[1])},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for_part(folder):
    """Wait until a part of the file is on the disk."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not any(part.stat().st_size for part in folder.glob("data/01_raw/.*.part")):
        assert time.monotonic() < deadline, "the download did not begin"
        time.sleep(0.01)


def test_a_killed_download_leaves_nothing_in_the_place_and_the_next_one_starts_clean(portal, tmp_path, full_census):
    target = tmp_path / "data/01_raw" / PUBLISHED_FILES[2016].file
    portal.answers[FILE_PATH] = portal.stall_after(full_census[: len(full_census) // 2], len(full_census))
    with start_command(portal, tmp_path) as killed:
        wait_for_part(tmp_path)
        killed.kill()
    assert not target.exists()

    portal.answers[FILE_PATH] = reply(full_census)
    with start_command(portal, tmp_path) as second:
        _, errors = second.communicate(timeout=WAIT_SECONDS)
    assert second.returncode == 0, errors
    assert target.read_bytes() == full_census
    assert list(target.parent.iterdir()) == [target]


def test_ctrl_c_stops_with_a_short_message_and_nothing_left(portal, tmp_path, full_census):
    portal.answers[FILE_PATH] = portal.stall_after(full_census[: len(full_census) // 2], len(full_census))
    with start_command(portal, tmp_path) as stopped:
        wait_for_part(tmp_path)
        stopped.send_signal(signal.SIGINT)
        _, errors = stopped.communicate(timeout=WAIT_SECONDS)
    assert stopped.returncode == 130
    assert "Stopped. No half file is left" in errors
    assert "Traceback" not in errors
    assert list((tmp_path / "data/01_raw").iterdir()) == []
