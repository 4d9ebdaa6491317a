"""fetch.py LIBRARY URL: with the roots that the library finds by itself."""

import sys


def urllib_(url):
    import urllib.request
    return urllib.request.urlopen(url, timeout=60).status


def requests_(url):
    import requests
    return requests.get(url, timeout=60).status_code


def httpx_(url):
    import httpx
    return httpx.get(url, timeout=60).status_code


def httplib2_(url):
    import httplib2
    return httplib2.Http(timeout=60).request(url)[0].status


def aiohttp_(url):
    import asyncio

    import aiohttp

    async def get():
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            return answer.status
    return asyncio.run(get())


print({"urllib": urllib_, "requests": requests_, "httpx": httpx_, "httplib2": httplib2_,
       "aiohttp": aiohttp_}[sys.argv[1]](sys.argv[2]))
